package discovery

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// fileLookup is a look-up of a [File]: read is called when it is another one than
// before, whichever way it was written: over the old one, renamed to its place, or
// behind a link as Kubernetes does it.
func fileLookup(path string, read func(string) ([]pairing.WorkerConfig, error)) lookup {
	var (
		before os.FileInfo
		last   answer
		failed error
	)
	return func(context.Context) (answer, error) {
		info, err := os.Stat(path)
		if err != nil {
			before = nil
			return answer{}, err
		}
		if before != nil && os.SameFile(before, info) && before.Size() == info.Size() && before.ModTime().Equal(info.ModTime()) {
			return last, failed
		}
		last.workers, failed = read(path)
		if failed == nil && len(last.workers) > maxWorkers {
			failed = fmt.Errorf("%s: more than %d workers", path, maxWorkers)
		}
		// One that was written a moment ago may be written again without another time.
		if before = info; time.Since(info.ModTime()) < 2*FileInterval {
			before = nil
		}
		return last, failed
	}
}
