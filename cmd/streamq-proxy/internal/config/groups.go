package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/streamq/streamq-proxy/stream"
)

// groups makes the groups of pools, and finds what would have nothing to share.
func (c *checker) groups(pools []stream.Config) {
	groups := map[string]*stream.Group{}
	members := map[string][]int{}
	for i := range pools {
		name := c.settings.Pools[i].Group
		if name == "" {
			continue
		}
		c.fail(i, "group", printable(name))
		if pools[i].Pairing.AffinityMax == 0 {
			c.add(i, "group", "with affinity-max 0 nothing is remembered that could be shared")
		}
		if groups[name] == nil {
			groups[name] = stream.NewGroup(name)
		}
		pools[i].Group = groups[name]
		members[name] = append(members[name], i)
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		of := members[name]
		if len(of) == 1 {
			c.add(of[0], "group", fmt.Sprintf("no other pool is in %s", name))
			continue
		}
		for _, i := range of[1:] {
			if first := &pools[of[0]]; !meet(first, &pools[i]) {
				c.add(i, "group", fmt.Sprintf("no worker of pool %s has the name of one of pool %s: in a group the same name is the same worker",
					pools[i].Name, first.Name))
			}
		}
	}
}

// meet says whether two pools may come to have a worker of the same name.
func meet(a, b *stream.Config) bool {
	if dynamic := func(p *stream.Config) bool { return len(p.Backend) > 0 || p.Discovers }; dynamic(a) || dynamic(b) {
		return true
	}
	names := map[string]bool{}
	for _, w := range a.Workers {
		names[w.Name] = true
	}
	for _, w := range b.Workers {
		if names[w.Name] {
			return true
		}
	}
	return false
}
