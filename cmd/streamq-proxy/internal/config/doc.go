// Package config is what streamq-proxy can be told, by a YAML file and by flags,
// and what is wrong with it.
//
//	s := config.Settings{}                     // or config.Read(file)
//	flags.apply(&s)                            // a flag replaces what the file says
//	plan, err := s.Plan(cpus)                  // every default filled in, every value checked
//
// A [Settings] holds what was written, unread: durations, sizes and names are
// text until [Settings.Plan] turns them into a [Plan]. So whatever is wrong is
// found in one place, has a path, and is shown either with the flag that said
// it, or with line, column and a caret in the file.
//
// The package opens no sockets and resolves no names.
package config
