package tiff

import "encoding/binary"

// undoPredictor restores the samples of a row that was stored as differences: horizontal ones (TIFF 6.0,
// section 14) of whole bytes, or those of floats' bytes (Adobe Photoshop TIFF Technical Note 3). Differences
// of samples that fill no whole bytes are summed when they are unpacked.
func (r *Raster) undoPredictor(w *worker, row []byte) {
	switch r.predictor {
	case 2:
		r.sumDifferences(row)
	case 3:
		w.levels.temp = grown(w.levels.temp, len(row))
		r.sumFloatBytes(row, w.levels.temp)
	}
}

// sumDifferences undoes predictor 2. Uncompressed rows may lie in memory that is not ours: they never come
// here in place, because next copies them when there is a predictor.
func (r *Raster) sumDifferences(row []byte) {
	step := r.interleaved()
	big := r.bigEndian()
	switch r.depth {
	case 8:
		if step == 1 {
			var sum byte
			for i, v := range row {
				sum += v
				row[i] = sum
			}
			return
		}
		for i := step; i < len(row); i++ {
			row[i] += row[i-step]
		}
	case 16:
		step *= 2
		for i := step; i+1 < len(row); i += 2 {
			if big {
				binary.BigEndian.PutUint16(row[i:], binary.BigEndian.Uint16(row[i:])+binary.BigEndian.Uint16(row[i-step:]))
			} else {
				binary.LittleEndian.PutUint16(row[i:], binary.LittleEndian.Uint16(row[i:])+binary.LittleEndian.Uint16(row[i-step:]))
			}
		}
	case 32:
		step *= 4
		for i := step; i+3 < len(row); i += 4 {
			if big {
				binary.BigEndian.PutUint32(row[i:], binary.BigEndian.Uint32(row[i:])+binary.BigEndian.Uint32(row[i-step:]))
			} else {
				binary.LittleEndian.PutUint32(row[i:], binary.LittleEndian.Uint32(row[i:])+binary.LittleEndian.Uint32(row[i-step:]))
			}
		}
	case 64:
		step *= 8
		for i := step; i+7 < len(row); i += 8 {
			if big {
				binary.BigEndian.PutUint64(row[i:], binary.BigEndian.Uint64(row[i:])+binary.BigEndian.Uint64(row[i-step:]))
			} else {
				binary.LittleEndian.PutUint64(row[i:], binary.LittleEndian.Uint64(row[i:])+binary.LittleEndian.Uint64(row[i-step:]))
			}
		}
	}
}

// sumFloatBytes undoes predictor 3: a row's bytes are stored by significance, the highest of all samples
// first, as differences. temp is as long as row.
func (r *Raster) sumFloatBytes(row, temp []byte) {
	step := r.interleaved()
	for i := step; i < len(row); i++ {
		row[i] += row[i-step]
	}
	copy(temp, row)
	size := r.depth / 8
	n := len(row) / size
	for b := range size { // b counts from the highest byte
		at := b
		if !r.bigEndian() {
			at = size - 1 - b
		}
		part := temp[b*n:][:n]
		for i, v := range part {
			row[i*size+at] = v
		}
	}
}

// grown returns a slice of length n, the given one where it is long enough.
func grown[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
