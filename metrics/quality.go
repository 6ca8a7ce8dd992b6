package metrics

import "fmt"

// What is wrong with a picture: the words of ImageQuality.Flags, in their order there. Frozen is not found by Look,
// which knows one frame only, but with Print.
const (
	FlagBlank      = "blank"
	FlagIncomplete = "incomplete"
	FlagSaturated  = "saturated"
	FlagBlurred    = "blurred"
	FlagCharging   = "charging"
	FlagCurtaining = "curtaining"
	FlagFrozen     = "frozen"
)

// From these values on a frame is flagged. They were set on one half of some 450 published micrographs, nearly all of
// them good, and on distorted copies of these; the other half then gave the shares that the tests hold.
const (
	saturatedShare    = 0.20
	blurredSharpness  = 0.125 // below; the sharpest edges take 8 px
	chargingShare     = 0.01
	curtainingShare   = 0.12
	incompleteMinRows = 8
	incompleteShare   = 0.02
)

// ImageQuality is what a frame's grey values tell about the picture itself, whatever it shows. A number is nil where
// it is undefined: in a blank frame, in one too small to tell (fewer than 64 px a side), and as said below.
type ImageQuality struct {
	Flags []string `json:"-"` // never nil; result.json has them as image_quality

	// Sharpness is 1 over the width in px, from 10 to 90 % of the rise, that a quarter of the strong edges fall short
	// of; at most 1. Contrast has no influence, noise little. Nil without edges that stand out of the noise, and where
	// all are as soft as shading. See sharpness.
	Sharpness *float64 `json:"sharpness"`
	// Noise is the standard deviation of the noise from pixel to pixel, as a share of the pixel format's range; clipped
	// pixels do not count. After Immerkaer, Fast noise variance estimation, CVIU 64 (1996) 300.
	Noise *float64 `json:"noise"`
	// SaturatedShare is the share of pixels at the black or the white end of the range, whichever holds more.
	SaturatedShare *float64 `json:"saturated_share"`
	// Charging is the share of the picture in bands along the scan lines that are brighter or darker than the rows
	// above and below, and begin and end between two rows. See charging.
	Charging *float64 `json:"charging"`
	// Curtaining is the share of the variance, at periods of 8 to 64 px, that lies in straight stripes near the vertical.
	// See curtaining.
	Curtaining *float64 `json:"curtaining"`
	// CurtainingDeg is how many degrees these stripes are off the vertical, positive where they lean to the right
	// downwards. Nil unless the frame is flagged.
	CurtainingDeg *float64 `json:"curtaining_deg,omitempty"`
	// CompleteShare is the share of rows that were scanned: the others, at the upper or lower border, are constant, free
	// of noise or one repeated line; of those the other numbers tell nothing.
	CompleteShare *float64 `json:"complete_share"`
}

// Look measures a frame's picture within area (zero value: the whole frame). Exactly one of gray8 and gray16 is set.
//
//	blank       constant, or practically so: the 0.1 and 99.9 percentiles are equal; nothing else is found then
//	incomplete  8 rows or more, and 2 % or more, at the upper or lower border were not scanned
//	saturated   more than 20 % of the pixels are at the black or white end of the range; for 16-bit pixels
//	            also at the white end of 10, 12 or 14 bits when nothing is brighter
//	blurred     there are edges, and even the sharpest take 8 px or more
//	charging    bands along the scan lines cover 1 % of the picture or more
//	curtaining  straight stripes, within 15° of the vertical, make 12 % or more of the variance
func Look(gray8 []uint8, gray16 []uint16, width, height int, area Rect) ImageQuality {
	area = checkArea(gray8, gray16, width, height, area)
	if gray8 != nil {
		return look(gray8, 1<<8, width, area)
	}
	return look(gray16, 1<<16, width, area)
}

// checkArea returns the area, the whole frame for none.
func checkArea(gray8 []uint8, gray16 []uint16, width, height int, area Rect) Rect {
	if area == (Rect{}) {
		area = Rect{X1: width, Y1: height}
	}
	if len(gray8)+len(gray16) != width*height || area.X0 < 0 || area.Y0 < 0 || area.X1 > width || area.Y1 > height {
		panic(fmt.Sprintf("metrics: %d pixels, area %v and frame %dx%d do not fit", len(gray8)+len(gray16), area, width, height))
	}
	return area
}

// minSide is the least width and height of an area that can be judged.
const minSide = 64

func look[T uint8 | uint16](gray []T, levels, width int, area Rect) ImageQuality {
	q := ImageQuality{Flags: []string{}}
	p := picture[T]{gray: gray, levels: levels, width: width, area: area}
	if area.Area() == 0 {
		return q
	}
	g := p.greys()
	if g.blank {
		q.Flags = append(q.Flags, FlagBlank)
		return q
	}
	if area.X1-area.X0 < minSide || area.Y1-area.Y0 < minSide {
		q.judge(g)
		return q
	}
	rows := p.rows()
	top, bottom := rows.dead()
	lost := float64(top+bottom) / float64(rows.n)
	complete := 1 - lost
	q.CompleteShare = &complete
	if top+bottom >= incompleteMinRows && lost >= incompleteShare {
		// Only what was scanned can be judged.
		q.Flags = append(q.Flags, FlagIncomplete)
		p.area.Y0, p.area.Y1 = area.Y0+top, area.Y1-bottom
		if g = p.greys(); g.blank || p.area.Y1-p.area.Y0 < minSide {
			return q
		}
		rows = p.rows()
	}
	noise := p.noise()
	q.Noise = finite(noise / float64(levels-1))
	charging := rows.charging(g.contrast)
	q.Charging = &charging
	s := p.structure(noise, g.contrast)
	q.Sharpness, q.Curtaining, q.CurtainingDeg = finite(s.sharpness), finite(s.curtaining), finite(s.curtainingDeg)
	q.judge(g)
	return q
}

// judge adds the flags that the numbers call for.
func (q *ImageQuality) judge(g greys) {
	q.SaturatedShare = &g.saturated
	flag := func(name string, is bool) {
		if is {
			q.Flags = append(q.Flags, name)
		}
	}
	flag(FlagSaturated, g.saturated > saturatedShare)
	flag(FlagBlurred, q.Sharpness != nil && *q.Sharpness < blurredSharpness)
	flag(FlagCharging, q.Charging != nil && *q.Charging >= chargingShare)
	curtained := q.Curtaining != nil && *q.Curtaining >= curtainingShare
	flag(FlagCurtaining, curtained)
	if !curtained {
		q.CurtainingDeg = nil
	}
}

// picture is the part of a frame that is looked at.
type picture[T uint8 | uint16] struct {
	gray   []T
	levels int // grey levels of the format
	width  int // of the frame
	area   Rect
}

// row returns row y of the area, from 0.
func (p picture[T]) row(y int) []T {
	at := (p.area.Y0 + y) * p.width
	return p.gray[at+p.area.X0 : at+p.area.X1]
}
