package integration
import ("testing";"sync";"net";"strings")
func TestTmpStorm(t *testing.T) {
	const storm, at = 10_000, 8
	p, _ := startBeside(t, "--access-log=false")
	for r := range 5 {
	before := p.calm(t)
	var wg sync.WaitGroup
	for range at {
		wg.Go(func() {
			for range storm / at {
				c, err := net.Dial("tcp", strings.TrimPrefix(p.frontend[0], "tcp://"))
				if err != nil { t.Errorf("a connect failed: %v", err); return }
				(&rawPeer{c}).reset()
			}
		})
	}
	wg.Wait()
	p.expectEnds(t, storm*(r+1), "client-closed", "client-reset")
	p.expectBack(t, before, 32<<20)
	s := p.scrape(t)
	t.Logf("sys %v heapsys %v idle %v released %v alloc %v goroutines %v", s["go_memstats_sys_bytes"], s["go_memstats_heap_sys_bytes"],s["go_memstats_heap_idle_bytes"],s["go_memstats_heap_released_bytes"], s["go_memstats_heap_alloc_bytes"], s["go_goroutines"])
	}
}
