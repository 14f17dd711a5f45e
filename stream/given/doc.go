// Package given has listening sockets that were there before the program: those that a service manager's
// socket units have made, and those of the process before that it has kept (sd_listen_fds(3);
// systemd.service(5), FileDescriptorStoreMax=). Who connects to them is never refused, whether a process
// runs or not: he waits in their backlog.
package given
