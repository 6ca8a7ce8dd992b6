package metrics

import (
	"fmt"
	"io"
	"math"
	"strconv"
)

// digits is how many significant digits a CSV number carries at most.
const digits = 7

// WriteCSV writes particles.csv: a header and one row per object, after RFC 4180 with point decimals, but
// lines end in LF as in summary.csv, so that cut and awk read the last column too. Numbers have at most 7
// significant digits, whole numbers all of theirs; undefined values are empty. nmPerPx is 0 when the scale
// is unknown.
func WriteCSV(w io.Writer, objects []Object, nmPerPx float64) error {
	columns := Columns()
	buf := make([]byte, 0, 64<<10)
	for i := range columns {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, columns[i].Name...)
	}
	buf = append(buf, '\n')
	for i := range objects {
		for c := range columns {
			if c > 0 {
				buf = append(buf, ',')
			}
			buf = appendNumber(buf, columns[c].Get(&objects[i], nmPerPx))
		}
		buf = append(buf, '\n')
		if len(buf) > 60<<10 {
			if _, err := w.Write(buf); err != nil {
				return fmt.Errorf("write particles: %w", err)
			}
			buf = buf[:0]
		}
	}
	if _, err := w.Write(buf); err != nil {
		return fmt.Errorf("write particles: %w", err)
	}
	return nil
}

// appendNumber writes v with at most 7 significant digits, without trailing zeros and without an exponent
// from 1e-4 up; nothing when v is not finite.
func appendNumber(buf []byte, v float64) []byte {
	a := math.Abs(v)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return buf
	case a < 1e15 && v == math.Trunc(v):
		return strconv.AppendInt(buf, int64(v), 10)
	case a < 1e-4 || a >= 1e15:
		return strconv.AppendFloat(buf, v, 'g', digits, 64)
	}
	// Fixed point by way of an integer: several times as fast as strconv, and exact to the last digit
	// kept, but for ties.
	places, unit := 0, 1.0
	for limit := 1e6; a < limit && places < 10; limit /= 10 {
		places++
		unit *= 10
	}
	n := int64(math.Round(a * unit))
	for places > 0 && n%10 == 0 {
		n /= 10
		places--
	}
	if v < 0 {
		buf = append(buf, '-')
	}
	var text [24]byte
	s := strconv.AppendInt(text[:0], n, 10)
	if places == 0 {
		return append(buf, s...)
	}
	if len(s) <= places {
		buf = append(buf, "0."...)
		for range places - len(s) {
			buf = append(buf, '0')
		}
		return append(buf, s...)
	}
	buf = append(buf, s[:len(s)-places]...)
	buf = append(buf, '.')
	return append(buf, s[len(s)-places:]...)
}
