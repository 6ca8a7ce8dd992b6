package reporting

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uni-aims/aimsd/metrics"
)

// undefinedText stands in the report where a value is not defined.
const undefinedText = "–"

// lengthUnit is what the report shows lengths in; a stored length times factor is one in the unit.
type lengthUnit struct {
	name   string
	factor float64
}

// chooseUnit picks the unit in which a typical length, in nm or px, is a handy number.
func chooseUnit(stored string, typical *float64) lengthUnit {
	switch {
	case stored == "px":
		return lengthUnit{"px", 1}
	case typical != nil && *typical >= 1e6:
		return lengthUnit{"mm", 1e-6}
	case typical != nil && *typical >= 1e3:
		return lengthUnit{"µm", 1e-3}
	default:
		return lengthUnit{"nm", 1}
	}
}

// power returns the unit of a length's power: 1 length, 2 area, 0 none.
func (u lengthUnit) power(n int) lengthUnit {
	switch n {
	case 0:
		return lengthUnit{"", 1}
	case 2:
		return lengthUnit{u.name + "²", u.factor * u.factor}
	default:
		return u
	}
}

// show formats a stored value in the unit, without the unit's name.
func (u lengthUnit) show(v *float64) string {
	if v == nil {
		return undefinedText
	}
	return significant(*v*u.factor, 4)
}

// significant formats v to the given number of significant digits for reading: no exponent between 1e-4 and
// 1e7, powers of ten beyond.
func significant(v float64, digits int) string {
	switch abs := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return undefinedText
	case v == 0:
		return "0"
	case abs >= 1e7 || abs < 1e-4:
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'e', digits-1, 64), "e")
		n, err := strconv.Atoi(exponent)
		if err != nil {
			return undefinedText
		}
		return mantissa + " × 10" + superscript(n)
	default:
		_, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'e', digits-1, 64), "e") // of the rounded value
		magnitude, err := strconv.Atoi(exponent)
		if err != nil {
			return undefinedText
		}
		decimals := max(0, digits-1-magnitude)
		whole, fraction, _ := strings.Cut(strconv.FormatFloat(v, 'f', decimals, 64), ".")
		if abs >= 1e4 {
			whole = grouped(whole)
		}
		if fraction != "" {
			return whole + "." + fraction
		}
		return whole
	}
}

func superscript(n int) string {
	return strings.NewReplacer("-", "⁻", "0", "⁰", "1", "¹", "2", "²", "3", "³", "4", "⁴", "5", "⁵", "6", "⁶",
		"7", "⁷", "8", "⁸", "9", "⁹").Replace(strconv.Itoa(n))
}

// grouped puts a narrow space between groups of three digits (ISO 80000-1).
func grouped(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && len(digits) > 4 {
			b.WriteRune('\u202f')
		}
		b.WriteRune(d)
	}
	return sign + b.String()
}

func count(n int) string { return grouped(strconv.Itoa(n)) }

// plural counts things: "1 input", "3 inputs".
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return count(n) + " " + thing + "s"
}

func percent(v *float64) string {
	if v == nil {
		return undefinedText
	}
	return significant(*v*100, 3) + " %"
}

func fraction(v *float64) string {
	if v == nil {
		return undefinedText
	}
	return strconv.FormatFloat(*v, 'f', 2, 64)
}

// density formats a number per µm² with its unit, per mm² when that reads better.
func density(perUm2 *float64) (value, unit string) {
	switch {
	case perUm2 == nil:
		return undefinedText, "per µm²"
	case *perUm2 != 0 && *perUm2 < 0.01:
		return significant(*perUm2*1e6, 3), "per mm²"
	default:
		return significant(*perUm2, 3), "per µm²"
	}
}

// clock formats a moment in UTC, to the second.
func clock(t time.Time) string {
	if t.IsZero() {
		return undefinedText
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// scaleTexts are an input's pixel size and where it came from.
func scaleTexts(s *Scale) (size, source string) {
	if s.NmPerPx == nil {
		return "no scale", ""
	}
	switch s.Source {
	case "scale_bar":
		source = "scale bar"
		if s.Bar != nil && s.Bar.Text != "" {
			source += " " + s.Bar.Text
		}
	case "fixed":
		source = "configured"
	default:
		source = s.Source
		if s.Ratio != nil && s.Bar != nil && matches(s) {
			source += ", as the scale bar " + s.Bar.Text
		}
	}
	return significant(*s.NmPerPx, 4) + " nm/px", source
}

// matches tells whether the sources of a scale agree.
func matches(s *Scale) bool {
	return !slices.ContainsFunc(s.Checks, func(c Check) bool { return c.Name == "scale_match" && c.Status != "ok" })
}

// diametersOf returns an input's diameter statistics in nm, or in px when it has no scale.
func diametersOf(in *BatchInput) (stat metrics.Stat, stored string) {
	stat = in.Result.Statistics["ecd_px"]
	if nmPerPx := in.nmPerPx(); nmPerPx > 0 {
		return scaledStat(stat, nmPerPx), "nm"
	}
	return stat, "px"
}
