package scalebar

import "slices"

// Limits of a panel: the share of the image's height that it may take, and how alike its background is.
const (
	minPanelPx    = 10
	maxPanelShare = 0.3
	panelTol      = 6     // grey levels about the background's
	panelText     = 48    // grey levels from the background to text
	minPanelText  = 0.004 // share of the panel
	panelMinSide  = 64    // px
	panelCols     = 2048  // columns looked at, at most
)

// Rows finds the rows of an image that are no vendor's panel: a band along the lower or upper border, over the whole
// width, of one background level with text or a scale bar in it, that begins as sharply as only something drawn does.
// Rows y0..y1-1 are the micrograph; without a panel, or where its border is not certain, they are all.
func Rows(img Image) (y0, y1 int, err error) {
	if err := img.validate(); err != nil {
		return 0, 0, err
	}
	if img.Width < panelMinSide || img.Height < panelMinSide {
		return 0, img.Height, nil
	}
	s := img.strips()
	bottom, top := s.panel(false), s.panel(true)
	if bottom+top > img.Height/2 {
		bottom, top = 0, 0
	}
	return top, img.Height - bottom, nil
}

// strips looks at single rows of an image, at every step-th column, as 8 bits.
type strips struct {
	img  Image
	step int
	lo   uint16
	gain float64
}

func (m Image) strips() *strips {
	s := &strips{img: m, step: max(1, m.Width/panelCols)}
	if m.Gray16 != nil {
		var some []uint16
		for y := 0; y < m.Height; y += max(1, m.Height/64) {
			for x := 0; x < m.Width; x += s.step {
				some = append(some, m.Gray16[y*m.Width+x])
			}
		}
		slices.Sort(some)
		hi := some[len(some)-1-len(some)/1000]
		s.lo = some[len(some)/1000]
		s.gain = 255 / max(1, float64(hi)-float64(s.lo))
	}
	return s
}

// row is what is seen of row y, counted from the lower border, or the upper one.
func (s *strips) row(dst []uint8, y int, top bool) []uint8 {
	if !top {
		y = s.img.Height - 1 - y
	}
	dst = dst[:0]
	at := y * s.img.Width
	if s.img.Gray8 != nil {
		if s.step == 1 {
			return append(dst, s.img.Gray8[at:at+s.img.Width]...)
		}
		for x := 0; x < s.img.Width; x += s.step {
			dst = append(dst, s.img.Gray8[at+x])
		}
		return dst
	}
	for x := 0; x < s.img.Width; x += s.step {
		v := s.img.Gray16[at+x]
		dst = append(dst, uint8(min(float64(v-min(v, s.lo))*s.gain, 255)))
	}
	return dst
}

// look is what a row is like.
type look struct {
	level   int     // its commonest
	uniform float64 // share of that
	back    float64 // share of the panel's background
	text    float64 // share of what is far from the panel's background
}

func lookAt(row []uint8, back int) look {
	var hist [256]int
	for _, v := range row {
		hist[v]++
	}
	l := look{level: commonest(&hist)}
	n := float64(len(row))
	for v, k := range hist {
		d := max(v-back, back-v)
		if d > panelText {
			l.text += float64(k) / n
		}
		if d <= panelTol {
			l.back += float64(k) / n
		}
		if max(v-l.level, l.level-v) <= panelTol {
			l.uniform += float64(k) / n
		}
	}
	return l
}

// panel is the height of the panel along one border, 0 when there is none.
func (s *strips) panel(top bool) int {
	h := s.img.Height
	most := int(maxPanelShare * float64(h))
	row := make([]uint8, 0, s.img.Width)
	var hist [256]int
	for y := range max(minPanelPx/2, h/50) {
		for _, v := range s.row(row, y, top) {
			hist[v]++
		}
	}
	back := commonest(&hist)
	looks := make([]look, 0, most)
	var sum float64
	for y := range most {
		l := lookAt(s.row(row, y, top), back)
		looks = append(looks, l)
		if sum += l.back; y > 40 && sum < 0.35*float64(y) {
			break // well into the picture
		}
	}
	best, jump := 0, 0.0
	for height := minPanelPx; height+borderRows+nearRows <= len(looks); height++ {
		if j := certain(looks, height); j > 0 && j >= jump {
			best, jump = height, j
		}
	}
	if best == 0 {
		return 0
	}
	return best + frameRows(looks[best:], back)
}

// Rows compared on either side of a panel's border.
const (
	nearRows   = 3
	beyondRows = 24
	borderRows = 3 // at most: a frame's line, and what resampling blurred
)

// certain tells whether the first height rows are a panel's background with text and the rows after them a picture:
// the background ends within a few rows, over most of the width, for good. It returns by how much of the width, 0 if
// they are not.
func certain(looks []look, height int) float64 {
	if looks[height-1].back < 0.5 || looks[height].back > 0.6*looks[height-1].back {
		return 0
	}
	mean := func(a, b int) (back float64) {
		for _, l := range looks[a:min(b, len(looks))] {
			back += l.back / float64(min(b, len(looks))-a)
		}
		return back
	}
	after := height + borderRows
	inside, near := mean(0, height), mean(height-nearRows, height)
	jump := near - mean(after, after+2*nearRows)
	if inside < 0.45 || near < 0.65 || jump < 0.4 || mean(after, after+beyondRows) > 0.6*inside {
		return 0
	}
	text, even := 0.0, 1.0
	for _, l := range looks[:height] {
		text += l.text / float64(height)
		even = min(even, l.back)
	}
	// Without text: a band of one level that the picture hardly has.
	if text >= minPanelText || even == 1 && mean(after, len(looks)) < 0.02 {
		return jump
	}
	return 0
}

// frameRows is how many of the rows belong to the line that frames the panel, or are blurred between it and the
// picture.
func frameRows(rows []look, back int) int {
	apart := func(a, b int) int { return max(a-b, b-a) }
	n := 0
	for n < borderRows && rows[n].uniform >= 0.9 && rows[borderRows].uniform < 0.9 && apart(rows[n].level, back) > panelText {
		n++
	}
	beyond := rows[borderRows].level
	if l := rows[n]; n < borderRows && l.uniform >= 0.7 && 20*apart(l.level, beyond) > 3*apart(back, beyond) && apart(l.level, beyond) > 2*panelTol {
		n++
	}
	return n
}

func commonest(hist *[256]int) int {
	best := 0
	for v, n := range hist {
		if n > hist[best] {
			best = v
		}
	}
	return best
}
