package scalebar

// Bars in panels: the shortest, and the longest as a share of the width. What is longer frames the panel.
const (
	minPanelBarPx    = 12
	maxPanelBarShare = 0.8
)

// ReadRows reads the scale bar in rows y0..y1-1 of an image, as Read does, but takes nothing for a bar that reaches
// beyond them. Coordinates are those of the image. In a panel, where there is no picture to be mistaken for a bar, shorter
// bars are found, and lines that frame the panel are none.
func ReadRows(img Image, y0, y1 int, panel bool) (Result, error) {
	if err := img.validate(); err != nil {
		return Result{}, err
	}
	y0, y1 = max(y0, 0), min(y1, img.Height)
	top := max(0, min(y0, y1-minSidePx))
	bottom := min(img.Height, max(y1, top+minSidePx))
	part := Image{Width: img.Width, Height: bottom - top}
	if img.Gray8 != nil {
		part.Gray8 = img.Gray8[top*img.Width : bottom*img.Width]
	} else {
		part.Gray16 = img.Gray16[top*img.Width : bottom*img.Width]
	}
	p, f := part.work()
	if panel {
		p.minBar, p.panel = minPanelBarPx, true
	}
	r, err := part.read(p, f, func(c *candidate) bool {
		if panel && c.length() > maxPanelBarShare*float64(p.w) {
			return false
		}
		return c.y0*float64(f) >= float64(y0-top)-1.5 && c.y1*float64(f) <= float64(y1-top)+1.5
	})
	if b := r.Bar; b != nil {
		dy := float64(top)
		b.Y0, b.Y1, b.Box.Y0, b.Box.Y1 = b.Y0+dy, b.Y1+dy, b.Box.Y0+dy, b.Box.Y1+dy
		if t := b.TextBox; t != nil {
			t.Y0, t.Y1 = t.Y0+dy, t.Y1+dy
			b.digits[0], b.digits[1] = b.digits[0]+dy, b.digits[1]+dy
		}
	}
	return r, err
}
