package decode

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/uni-aims/aimsd/stream/tiff"
)

// sis reads the directory of Olympus Soft Imaging Solutions (tag 33560 points to it): a time, then fields of
// which the first kind holds the calibration. Layout as read by tifffile.
func (b *builder) sis(p *tiff.Page, off uint64) {
	head, err := p.At(off, 60)
	if err != nil || string(head[:4]) != "SIS0" {
		return
	}
	le := binary.LittleEndian
	m := b.meta
	m.Vendor, m.Model = "Olympus SIS", text(p, tiff.TagModel)
	minute, hour, day := int(le.Uint16(head[10:])), int(le.Uint16(head[12:])), int(le.Uint16(head[14:]))
	month, year := int(le.Uint16(head[16:])), int(le.Uint16(head[18:]))
	if minute < 60 && hour < 24 && day >= 1 && day <= 31 && month < 12 && year > 70 && year < 300 {
		m.AcquiredAt = time.Date(1900+year, time.Month(month+1), day, hour, minute, 0, 0, time.Local)
	}
	if precise := clock(text(p, tiff.TagDateTime), "2006:01:02 15:04:05"); !precise.IsZero() {
		m.AcquiredAt = precise
	}
	n := min(int(le.Uint16(head[58:])), 1024)
	fields, err := p.At(off+60, 8*n)
	if err != nil {
		return
	}
	for i := range n {
		const general, generalBytes = 1, 112
		field := fields[8*i:]
		if le.Uint16(field) != general {
			continue
		}
		data, err := p.At(uint64(le.Uint32(field[4:])), generalBytes)
		if err != nil {
			return
		}
		unit := math.Pow10(int(int16(le.Uint16(data[10:])))) // metres
		b.pixel(math.Float64frombits(le.Uint64(data[12:]))*unit, math.Float64frombits(le.Uint64(data[20:]))*unit)
	}
}
