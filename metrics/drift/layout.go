package drift

import (
	"fmt"
	"math"

	"github.com/uni-aims/aimsd/metrics"
)

const (
	minSidePx    = 64     // the smallest area that is measured
	maxReduced   = 150000 // pixels of the reduced frame at most
	maxTiles     = 100
	fewTiles     = 36  // no fewer for the sake of speed
	widePx       = 160 // from one tile to the next, where there are more
	maxTile      = 128 // px
	minTile      = 32  // px
	tilesPerSide = 4   // at least, unless tiles are as small as they get
	overlapLost  = 0.5 // share of a tile that may be unusable
)

// layout is where a frame is looked at: the area, its reduction, and a grid of cells, each with a tile in its middle.
// Cells alternate between the two sets as on a checkerboard.
type layout struct {
	area           metrics.Rect
	scale          int // pixels of the frame per pixel of the reduced frame
	width, height  int // of the reduced frame
	nx, ny         int // of its transform
	tile           int // px
	columns, rows  int
	pitchX, pitchY float64
	maxPx          float64
	usable         []float64 // of the reduced frame: 0 where excluded; nil: everything
}

func newLayout(width, height int, opt Options) (*layout, error) {
	l := &layout{area: opt.Analysed, scale: 1, maxPx: opt.MaxPx}
	if l.area == (metrics.Rect{}) {
		l.area = metrics.Rect{X1: width, Y1: height}
	}
	if a := l.area; a.X0 < 0 || a.Y0 < 0 || a.X1 > width || a.Y1 > height {
		return nil, fmt.Errorf("drift: analysed area %v is not inside the frame of %dx%d px: give columns X0..X1 and rows Y0..Y1 of it", a, width, height)
	}
	w, h := l.area.X1-l.area.X0, l.area.Y1-l.area.Y0
	side := min(w, h)
	if side < minSidePx {
		return nil, fmt.Errorf("drift: analysed area of %dx%d px is too small: %d px are needed on each side", w, h, minSidePx)
	}
	if math.IsNaN(l.maxPx) || l.maxPx < 0 {
		return nil, fmt.Errorf("drift: largest shift of %g px: give a positive number, or 0 for a quarter of the shorter side", l.maxPx)
	}
	if l.maxPx == 0 {
		l.maxPx = float64(side) / 4
	}
	l.maxPx = min(l.maxPx, float64(side)/2)
	for (w/l.scale)*(h/l.scale) > maxReduced {
		l.scale *= 2
	}
	l.width, l.height = w/l.scale, h/l.scale
	l.nx, l.ny = fastLength(l.width), fastLength(l.height)
	l.tile = maxTile
	for l.tile > minTile && side < tilesPerSide*l.tile {
		l.tile /= 2
	}
	l.columns, l.rows = w/l.tile, h/l.tile
	for n := l.columns * l.rows; n > maxTiles || n > fewTiles && min(w/l.columns, h/l.rows) < widePx; n = l.columns * l.rows {
		if l.columns >= l.rows {
			l.columns--
		} else {
			l.rows--
		}
	}
	l.pitchX, l.pitchY = float64(w)/float64(l.columns), float64(h)/float64(l.rows)
	l.exclude(opt.Exclude)
	return l, nil
}

// exclude marks the pixels of the reduced frame that have a part in an excluded rectangle.
func (l *layout) exclude(rects []metrics.Rect) {
	for _, r := range rects {
		x0, x1 := max(r.X0-l.area.X0, 0)/l.scale, min((r.X1-l.area.X0+l.scale-1)/l.scale, l.width)
		y0, y1 := max(r.Y0-l.area.Y0, 0)/l.scale, min((r.Y1-l.area.Y0+l.scale-1)/l.scale, l.height)
		if x0 >= x1 || y0 >= y1 {
			continue
		}
		if l.usable == nil {
			l.usable = make([]float64, l.width*l.height)
			for i := range l.usable {
				l.usable[i] = 1
			}
		}
		for y := y0; y < y1; y++ {
			clear(l.usable[y*l.width+x0 : y*l.width+x1])
		}
	}
}

// usableShare is the share of the reduced frame that is not excluded.
func (l *layout) usableShare() float64 {
	if l.usable == nil {
		return 1
	}
	var sum float64
	for _, u := range l.usable {
		sum += u
	}
	return sum / float64(len(l.usable))
}

// set is 0 or 1, the set to which a pixel of the reduced frame belongs.
func (l *layout) set(x, y int) int {
	at := func(v int, pitch float64) int { return int((float64(v) + 0.5) * float64(l.scale) / pitch) }
	return (at(x, l.pitchX) + at(y, l.pitchY)) & 1
}

// corner is the upper left pixel of a tile and the set it is in.
func (l *layout) corner(t int) (x, y, set int) {
	c, r := t%l.columns, t/l.columns
	x = l.area.X0 + int(math.Round((float64(c)+0.5)*l.pitchX-float64(l.tile)/2))
	y = l.area.Y0 + int(math.Round((float64(r)+0.5)*l.pitchY-float64(l.tile)/2))
	return x, y, (c + r) & 1
}

// window is the taper of the reduced frame at its rim, along one side.
func window(n int) []float64 {
	out := make([]float64, n)
	rim := max(4, n/16)
	for i := range out {
		out[i] = 1
		if d := min(i, n-1-i); d < rim {
			out[i] = 0.5 - 0.5*math.Cos(math.Pi*(float64(d)+0.5)/float64(rim))
		}
	}
	return out
}
