package splice

import (
	"sync"

	"golang.org/x/sys/unix"
)

// pipe is what splice(2) moves bytes through.
type pipe struct {
	out, in int32 // its reading and its writing end
	held    int   // bytes
}

// MaxPipes bounds the pipes, and so the ways that can be spliced while their
// sink is full; further ones read and write. All of pipeCapacity, they hold the
// 16,384 pages that a user without privileges may have in pipes by default, and
// not one more (pipe(7), /proc/sys/fs/pipe-user-pages-soft).
const MaxPipes = 256

// Descriptors is how many a relay of so many threads and pipes has open at most,
// besides the sockets of its pairs.
func Descriptors(threads, maxPipes int) int { return 1 + threads + 2*maxPipes }

// pipes are the relay's spare ones.
type pipes struct {
	mu    sync.Mutex
	spare []*pipe
	n     int // all that there are
	most  int
}

// get is a pipe that holds nothing; nil when there are too many.
func (s *pipes) get() *pipe {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.spare); n > 0 {
		p := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return p
	}
	if s.n >= s.most {
		return nil
	}
	var fd [2]int
	if unix.Pipe2(fd[:], unix.O_CLOEXEC|unix.O_NONBLOCK) != nil {
		return nil
	}
	// Best effort: the default of 64 KiB works as well, in more calls.
	_, _ = unix.FcntlInt(uintptr(fd[1]), unix.F_SETPIPE_SZ, pipeCapacity)
	s.n++
	return &pipe{out: int32(fd[0]), in: int32(fd[1])}
}

// keepPipes is how many spare ones are kept.
const keepPipes = 16

// put takes a pipe back. One that still holds something is closed.
func (s *pipes) put(p *pipe) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.held == 0 && len(s.spare) < keepPipes {
		s.spare = append(s.spare, p)
		return
	}
	p.close()
	s.n--
}

func (s *pipes) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.spare {
		p.close()
	}
	s.n -= len(s.spare)
	s.spare = nil
}

func (p *pipe) close() {
	_ = unix.Close(int(p.out))
	_ = unix.Close(int(p.in))
}

// drain reads what the pipe holds.
func (p *pipe) drain() []byte {
	data := make([]byte, p.held)
	n := 0
	for n < len(data) {
		m, errno := read(p.out, data[n:])
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 || m == 0 {
			break
		}
		n += m
	}
	p.held -= n
	return data[:n]
}
