package simulate

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"strconv"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// panelRows is the height of the information panel below an image, px: 6 % of the file's rows, at least 48.
func panelRows(height int) int { return max(48, int(math.Round(0.06*float64(height)))) }

// Shades of the panel, 8-bit grey.
const (
	panelBack   = 0x1c
	panelRule   = 0x70
	panelBright = 0xff
)

// panel is the information panel while it is drawn.
type panel struct {
	*image.Gray
	label, value font.Face // field names, and their values in bold
	unit         int       // rows/48, the scale of line widths and gaps, at least 1
}

// drawPanel draws the information panel into fr's lower rows and returns where the scale bar lies. Fields
// that find no room beside the bar are left out.
func (in instrument) drawPanel(fr *Frame) (*Bar, error) {
	rows := fr.Height - fr.ImageRows
	p := panel{Gray: image.NewGray(image.Rect(0, 0, fr.Width, rows)), unit: max(rows/48, 1)}
	var err error
	if p.label, err = face(goregular.TTF, 0.29*float64(rows)); err != nil {
		return nil, err
	}
	if p.value, err = face(gobold.TTF, 0.29*float64(rows)); err != nil {
		return nil, err
	}
	draw.Draw(p, p.Bounds(), image.NewUniform(color.Gray{Y: panelBack}), image.Point{}, draw.Src)
	p.fill(0, 0, fr.Width, p.unit, panelRule)
	bar, left := p.drawBar(in.nmPerPx)
	bar.Y0, bar.Y1 = bar.Y0+float64(fr.ImageRows), bar.Y1+float64(fr.ImageRows)
	p.drawFields(in.fields(), left)
	at := fr.ImageRows * fr.Width
	if fr.Gray8 != nil {
		copy(fr.Gray8[at:], p.Pix)
		return bar, nil
	}
	for i, v := range p.Pix {
		fr.Gray16[at+i] = uint16(v) * 257
	}
	return bar, nil
}

// fields are name and value pairs in the order of importance.
func (in instrument) fields() [][2]string {
	return [][2]string{
		{"HV", fmt.Sprintf("%.2f kV", in.hv/1e3)},
		{"WD", fmt.Sprintf("%.1f mm", in.wd*1e3)},
		{"mag", grouped(in.magnification()) + " x"},
		{"HFW", metres(in.hfw())},
		{"det", in.detector},
		{in.taken.Format("01/02/2006"), in.taken.Format("3:04:05 PM")},
		{"curr", short(in.current*1e12, 3) + " pA"},
		{"dwell", short(in.dwell*1e6, 3) + " µs"},
		{"mode", "SE"},
		{"pressure", fmt.Sprintf("%.2e Pa", in.pressure)},
	}
}

// grouped prints v rounded to three digits, thousands apart: 41 400.
func grouped(v float64) string {
	s := short(v, 3)
	whole, _, _ := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// metres prints a length with three digits and a fitting unit.
func metres(m float64) string {
	v, unit := m*1e9, "nm"
	for _, larger := range []string{"µm", "mm"} {
		if v >= 999.5 {
			v, unit = v/1e3, larger
		}
	}
	decimals := 2 - int(math.Floor(math.Log10(v)))
	return strconv.FormatFloat(v, 'f', min(max(decimals, 0), 2), 64) + " " + unit
}

// drawFields draws what fits left of column limit, each field in a cell of its own.
func (p panel) drawFields(fields [][2]string, limit int) {
	rows := p.Bounds().Dy()
	x := 2 * p.unit
	for _, f := range fields {
		w := max(font.MeasureString(p.label, f[0]).Ceil(), font.MeasureString(p.value, f[1]).Ceil())
		if x+w+12*p.unit > limit {
			break
		}
		p.text(p.label, f[0], x+5*p.unit, int(0.40*float64(rows)))
		p.text(p.value, f[1], x+5*p.unit, int(0.82*float64(rows)))
		x += w + 10*p.unit
		p.fill(x, 4*p.unit, x+max(p.unit/2, 1), rows-4*p.unit, panelRule)
		x += p.unit
	}
}

// drawBar draws bar and label at the panel's right and returns the bar, and the column left of both.
func (p panel) drawBar(nmPerPx float64) (*Bar, int) {
	w, rows := p.Bounds().Dx(), p.Bounds().Dy()
	l, _ := barLength(nmPerPx, w)
	length := int(math.Round(l.nm / nmPerPx))
	text := font.MeasureString(p.value, l.text).Ceil()
	margin := 10 * p.unit
	box := max(length, text)
	x0 := w - margin - box + (box-length)/2
	y0, thick := int(0.68*float64(rows)), max(rows/14, 3)
	p.fill(x0, y0, x0+length, y0+thick, panelBright)
	tick := 2 * thick
	for _, x := range []int{x0, x0 + length - p.unit} { // end marks inside the length
		p.fill(x, y0+thick/2-tick/2-p.unit, x+p.unit, y0+thick/2+tick/2+p.unit+1, panelBright)
	}
	p.text(p.value, l.text, x0+(length-text)/2, int(0.46*float64(rows)))
	return &Bar{
		X0: float64(x0), X1: float64(x0 + length), Y0: float64(y0), Y1: float64(y0 + thick),
		LengthPx: float64(length), Text: l.text, Value: l.value, Unit: l.unit,
	}, w - margin - box - margin
}

func (p panel) fill(x0, y0, x1, y1 int, shade uint8) {
	draw.Draw(p, image.Rect(x0, y0, x1, y1), image.NewUniform(color.Gray{Y: shade}), image.Point{}, draw.Src)
}

func (p panel) text(f font.Face, s string, x, baseline int) {
	d := font.Drawer{Dst: p.Gray, Src: image.NewUniform(color.Gray{Y: panelBright}), Face: f, Dot: fixed.P(x, baseline)}
	d.DrawString(s)
}

// face loads a font at a height in px, fully hinted so that small text stays crisp.
func face(ttf []byte, px float64) (font.Face, error) {
	f, err := opentype.Parse(ttf)
	if err != nil {
		return nil, fmt.Errorf("panel font: %w", err)
	}
	ff, err := opentype.NewFace(f, &opentype.FaceOptions{Size: px, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		return nil, fmt.Errorf("panel font: %w", err)
	}
	return ff, nil
}
