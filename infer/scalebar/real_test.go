package scalebar

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// tally counts what Read made of one half of the real bars.
type tally struct {
	labelled, right, wrong, none int
	empty, invented              int
	reported                     int
	errPx                        float64
}

func (c *tally) add(b truthBar, r Result) {
	switch {
	case !b.HasBar || b.Value == nil:
		c.empty++
		if r.Bar.NmPerPx() != 0 {
			c.invented++
		}
		return
	case b.Clipped || b.Ambiguous:
		return
	}
	c.labelled++
	switch {
	case r.Bar == nil || r.Bar.Label == nil:
		c.none++
	case math.Abs(r.Bar.Label.Nanometres()/(*b.Value*unitNm(b.Unit))-1) < 1e-6:
		c.right++
	default:
		c.wrong++
	}
	if r.Bar == nil || b.UncertainPx != nil && *b.UncertainPx > 0.7 {
		return
	}
	best := math.Inf(1)
	for _, l := range b.lengths() {
		best = min(best, math.Abs(r.Bar.LengthPx-l))
	}
	c.reported++
	c.errPx += best
}

// The half called development was looked at while the package was written, the other was only counted.
func TestReadOnRealBars(t *testing.T) {
	data := sharedData(t)
	var halves [2]tally
	for _, b := range truthBars(t, data) {
		r, err := Read(readPNG(t, filepath.Join(data, "segmentation", "emps", "img", b.ID+".png")))
		require.NoError(t, err)
		k := 1
		if development(b.ID) {
			k = 0
		}
		halves[k].add(b, r)
	}
	for k, name := range []string{"development", "held out"} {
		c := halves[k]
		mae := c.errPx / float64(c.reported)
		t.Logf("%s: %d labelled, right %d, wrong %d, none %d; length error %.3f px on %d; invented %d of %d",
			name, c.labelled, c.right, c.wrong, c.none, mae, c.reported, c.invented, c.empty)
		require.GreaterOrEqual(t, float64(c.right), 0.9*float64(c.labelled), name)
		require.LessOrEqual(t, c.wrong, 1, name)
		require.LessOrEqual(t, mae, 0.3, name)
		require.Zero(t, c.invented, name)
	}
}

func TestReadOnVendorFrames(t *testing.T) {
	data := sharedData(t)
	frames := vendorFrames(t, data)
	right := 0
	for _, f := range frames {
		r, err := Read(readTIFF(t, f.file))
		require.NoError(t, err)
		off := r.Bar.NmPerPx()/f.nmPerPx - 1
		t.Logf("%s: %.5g nm/px (%+.2f %%) %s", filepath.Base(f.file), r.Bar.NmPerPx(), 100*off, r.Reason)
		if math.Abs(off) <= 0.01 {
			right++
		}
		require.False(t, r.Bar.NmPerPx() != 0 && math.Abs(off) > 0.05, "a wrong scale for %s", f.file)
	}
	require.GreaterOrEqual(t, right, len(frames)-1)
}
