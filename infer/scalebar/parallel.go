package scalebar

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// parallel calls fn for 0..n-1, on all cores, and waits.
func parallel(n int, fn func(k int)) {
	workers := min(runtime.GOMAXPROCS(0), n)
	if workers < 2 {
		for k := range n {
			fn(k)
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for k := int(next.Add(1)) - 1; k < n; k = int(next.Add(1)) - 1 {
				fn(k)
			}
		})
	}
	wg.Wait()
}

// bands calls fn for bands of rows that together cover h rows, on all cores, and waits.
func bands(h int, fn func(y0, y1 int)) {
	n := min(runtime.GOMAXPROCS(0), max(1, h/32))
	parallel(n, func(k int) { fn(h*k/n, h*(k+1)/n) })
}
