package tiff

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

const (
	blockBytes    = 64 << 10 // decompressed at a time
	pieceBytes    = 1 << 20  // of an uncompressed chunk per worker
	parallelBytes = 2 << 20  // below this one goroutine decodes
)

// rowFunc converts a row: px pixels at column x of row y, from one row of bytes per plane.
type rowFunc func(w *worker, x, y, px int, planes [][]byte)

// job is a run of rows of one chunk position, the same in every plane.
type job struct{ chunk, first, rows int }

// decode visits every row of every chunk, on all cores when the image is large. Rows are visited once each,
// in no particular order, and never after an error or the context's end was noticed. With a target, rows
// are unpacked into it, Width*Height pixels as stored, instead of into scratch memory: see inPlace.
func (r *Raster) decode(ctx context.Context, target []byte, row rowFunc) error {
	position := r.across * r.down
	piece := r.chunkH
	if r.compression == compressionNone && r.subX == 0 {
		piece = min(piece, max(1, pieceBytes/r.rowBytes()))
	}
	pieces := (r.chunkH + piece - 1) / piece
	var next atomic.Int64
	work := func() error {
		w := worker{r: r, row: row, target: target}
		for ctx.Err() == nil {
			k := int(next.Add(1)) - 1
			if k >= position*pieces {
				return nil
			}
			chunk, first := k/pieces, k%pieces*piece
			if rows := min(piece, r.rows(chunk)-first); rows > 0 {
				if err := w.do(ctx, job{chunk, first, rows}); err != nil {
					next.Store(int64(position * pieces))
					return err
				}
			}
		}
		return ctx.Err()
	}
	workers := min(runtime.GOMAXPROCS(0), position*pieces)
	if r.rowBytes()*r.Height*r.planes()*r.across < parallelBytes {
		workers = 1
	}
	if workers == 1 {
		return work()
	}
	var g errgroup.Group
	for range workers {
		g.Go(work)
	}
	return g.Wait()
}

// inPlace reports whether unpacked rows are the image's rows, size bytes per pixel, so that they can be
// unpacked where the pixels are wanted.
func (r *Raster) inPlace(size int) bool {
	return !r.tiled && r.planes() == 1 && r.interleaved() == 1 && r.depth == 8*size
}

// worker holds what one goroutine reuses between jobs.
type worker struct {
	r       *Raster
	row     rowFunc
	target  []byte
	unpack  []unpacker // by plane
	scratch [][]byte
	block   [][]byte
	rows    [][]byte
	levels  levels
}

func (w *worker) do(ctx context.Context, j job) error {
	r := w.r
	rowBytes := r.rowBytes()
	perBlock := max(1, blockBytes/rowBytes)
	if w.target != nil && r.compression == compressionNone {
		perBlock = j.rows // one read
	}
	if w.unpack == nil {
		n := r.planes()
		w.unpack, w.scratch = make([]unpacker, n), make([][]byte, n)
		w.block, w.rows = make([][]byte, n), make([][]byte, n)
		if w.target == nil {
			for p := range w.scratch {
				w.scratch[p] = make([]byte, min(perBlock, r.chunkH)*rowBytes)
			}
		}
	}
	for p := range w.unpack {
		if err := w.unpack[p].open(r, j.chunk+p*r.across*r.down, int64(j.first*rowBytes), int64(j.rows*rowBytes)); err != nil {
			return err
		}
	}
	x := j.chunk % r.across * r.chunkW
	y := j.chunk/r.across*r.chunkH + j.first
	px := min(r.chunkW, r.Width-x)
	for done := 0; done < j.rows && ctx.Err() == nil; {
		n := min(perBlock, j.rows-done)
		for p := range w.unpack {
			into := w.scratch[p]
			if w.target != nil {
				into = w.target[(y+done)*rowBytes:][:n*rowBytes]
			}
			var err error
			if w.block[p], err = w.unpack[p].next(r, j.chunk+p*r.across*r.down, n*rowBytes, into, w.target != nil); err != nil {
				return err
			}
		}
		for i := range n {
			for p, b := range w.block {
				w.rows[p] = b[i*rowBytes : (i+1)*rowBytes]
				r.undoPredictor(w, w.rows[p])
			}
			w.row(w, x, y+done+i, px, w.rows)
		}
		done += n
	}
	return ctx.Err()
}

// checkLen panics when the caller's slice does not fit the image: a programming error.
func (r *Raster) checkLen(n int) {
	if n != r.Width*r.Height {
		panic(fmt.Sprintf("tiff: %d px given for an image of %d x %d", n, r.Width, r.Height))
	}
}
