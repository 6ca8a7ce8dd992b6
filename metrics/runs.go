package metrics

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
)

// span is a maximal horizontal run of one label: columns x0..x1-1 of row y.
type span struct{ y, x0, x1 int32 }

// regions holds every label's spans: those of ids[i] are spans[off[i]:off[i+1]], in raster order.
type regions struct {
	ids   []int32 // ascending
	off   []int32
	spans []span
}

func (r *regions) of(i int) []span { return r.spans[r.off[i]:r.off[i+1]] }

// bandRows is the smallest number of rows worth a goroutine of its own, for a frame 1024 px wide.
const bandRows = 64

// collect sorts the frame's runs by label in two scans over bands of rows: one counts them, one puts
// each into its final place. Both are linear in pixels whatever the ids are.
func collect(labels []int32, width, height int) (*regions, error) {
	n := min(runtime.GOMAXPROCS(0), max(1, height*width/(bandRows*1024)), height)
	bands := make([]tally, n)
	edge := func(b int) int { return height * b / n }

	parallel(n, func(b int) { bands[b].scan(labels, width, edge(b), edge(b+1)) })
	for b := range bands {
		if at := bands[b].negativeAt; at > 0 {
			return nil, fmt.Errorf("labels: negative id %d at column %d, row %d: use 0 for background and ids from 1",
				labels[at-1], (at-1)%width, (at-1)/width)
		}
	}
	r := place(bands)
	parallel(n, func(b int) { bands[b].fill(r.spans, labels, width, edge(b), edge(b+1)) })
	return r, nil
}

// tally counts one band's runs by id, and then holds where its next run of an id goes.
type tally struct {
	dense      []int32         // ids below denseIDs
	sparse     map[int32]int32 // the others
	negativeAt int             // index+1 of the first negative id, 0 when there is none
}

// denseIDs bounds the directly indexed table, so that memory never follows the raw ids.
const denseIDs = 1 << 18

func (t *tally) scan(labels []int32, width, y0, y1 int) {
	for y := y0; y < y1; y++ {
		row := labels[y*width : (y+1)*width]
		for x0, x1 := nextRun(row, 0); x0 < width; x0, x1 = nextRun(row, x1) {
			id := row[x0]
			switch {
			case id < 0:
				t.negativeAt = y*width + x0 + 1
				return
			case int(id) < len(t.dense):
				t.dense[id]++
			case id < denseIDs:
				t.dense = append(t.dense, make([]int32, min(denseIDs, max(1024, 2*int(id)))-len(t.dense))...)
				t.dense[id]++
			default:
				if t.sparse == nil {
					t.sparse = make(map[int32]int32)
				}
				t.sparse[id]++
			}
		}
	}
}

func (t *tally) fill(spans []span, labels []int32, width, y0, y1 int) {
	for y := y0; y < y1; y++ {
		row := labels[y*width : (y+1)*width]
		for x0, x1 := nextRun(row, 0); x0 < width; x0, x1 = nextRun(row, x1) {
			id := row[x0]
			var at int32
			if int(id) < len(t.dense) {
				at = t.dense[id]
				t.dense[id]++
			} else {
				at = t.sparse[id]
				t.sparse[id]++
			}
			spans[at] = span{y: int32(y), x0: int32(x0), x1: int32(x1)}
		}
	}
}

// nextRun finds the first run at or after x; x0 is len(row) when there is none.
func nextRun(row []int32, x int) (x0, x1 int) {
	for x+4 <= len(row) && row[x]|row[x+1]|row[x+2]|row[x+3] == 0 {
		x += 4
	}
	for x < len(row) && row[x] == 0 {
		x++
	}
	x0 = x
	if x == len(row) {
		return x0, x0
	}
	for id := row[x]; x < len(row) && row[x] == id; {
		x++
	}
	return x0, x
}

// place turns the bands' counts into positions and makes room for the runs.
func place(bands []tally) *regions {
	r := &regions{}
	at := int32(0)
	add := func(id int32, counts []*int32) {
		start := at
		for _, c := range counts {
			n := *c
			*c = at
			at += n
		}
		if at > start {
			r.ids = append(r.ids, id)
			r.off = append(r.off, start)
		}
	}
	widest := 0
	for b := range bands {
		widest = max(widest, len(bands[b].dense))
	}
	counts := make([]*int32, 0, len(bands))
	for id := range widest {
		counts = counts[:0]
		for b := range bands {
			if id < len(bands[b].dense) {
				counts = append(counts, &bands[b].dense[id])
			}
		}
		add(int32(id), counts)
	}

	var large []int32
	for b := range bands {
		for id := range bands[b].sparse {
			large = append(large, id)
		}
	}
	slices.Sort(large)
	values := make([]int32, len(bands))
	for _, id := range slices.Compact(large) {
		counts = counts[:0]
		for b := range bands {
			values[b] = bands[b].sparse[id]
			counts = append(counts, &values[b])
		}
		add(id, counts)
		for b := range bands {
			if _, ok := bands[b].sparse[id]; ok {
				bands[b].sparse[id] = values[b]
			}
		}
	}
	r.off = append(r.off, at)
	r.spans = make([]span, at)
	return r
}

// maxPixels and maxSide bound a frame so that run positions fit 32 bits and sums of squares 64 bits.
const (
	maxPixels = math.MaxInt32
	maxSide   = 1 << 16
)

// parallel calls f(0)..f(n-1), each in its own goroutine when there are several, and waits.
func parallel(n int, f func(i int)) {
	if n == 1 {
		f(0)
		return
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}
