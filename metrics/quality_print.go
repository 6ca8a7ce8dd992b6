package metrics

// printSamples is the number of pixels that a Print keeps.
const printSamples = 4096

const (
	sameShare = 0.97 // of the pixels with noise that are equal in two frames of one acquisition
	noisePart = 0.5  // of the pixels that must show noise, for equal ones to tell anything
)

// Print is what tells one acquisition from another: the noise, which never repeats. It takes 32 KB.
type Print struct {
	width, height, levels int
	sum                   uint64
	values, bends         []int32 // grey levels of pixels, and how far they are off their neighbours in the row
}

// PrintOf takes a frame's print within area (zero value: the whole frame). Exactly one of gray8 and gray16 is set.
func PrintOf(gray8 []uint8, gray16 []uint16, width, height int, area Rect) Print {
	area = checkArea(gray8, gray16, width, height, area)
	if gray8 != nil {
		return picture[uint8]{gray: gray8, levels: 1 << 8, width: width, area: area}.print()
	}
	return picture[uint16]{gray: gray16, levels: 1 << 16, width: width, area: area}.print()
}

// Same tells whether two frames are one acquisition: all pixels are equal, or all but a few, as those of a clock, and
// noise is in so many that this is no accident. Of blank frames it tells nothing.
func (p Print) Same(q Print) bool {
	if p.width != q.width || p.height != q.height || p.levels != q.levels || p.values == nil {
		return false
	}
	if p.sum == q.sum {
		return true
	}
	noisy, equal := 0, 0
	for i := range p.values {
		if p.bends[i] == 0 && q.bends[i] == 0 {
			continue
		}
		noisy++
		if p.values[i] == q.values[i] && p.bends[i] == q.bends[i] {
			equal++
		}
	}
	return float64(noisy) >= noisePart*float64(len(p.values)) && float64(equal) >= sameShare*float64(noisy)
}

func (p picture[T]) print() Print {
	w, h := p.area.X1-p.area.X0, p.area.Y1-p.area.Y0
	out := Print{width: w, height: h, levels: p.levels}
	if w < 3 || h < 1 {
		return out
	}
	out.values, out.bends = make([]int32, 0, printSamples), make([]int32, 0, printSamples)
	spread(printSamples, w-2, h, func(x, y int) {
		r := p.row(y)[x : x+3]
		out.values = append(out.values, int32(r[1]))
		out.bends = append(out.bends, 2*int32(r[1])-int32(r[0])-int32(r[2]))
	})
	sums := make([]uint64, h)
	each(h, func(y int) { sums[y] = mixed(p.row(y)) })
	for _, s := range sums {
		out.sum = (out.sum ^ s) * mixer
	}
	return out
}

// mixer is the multiplier of the 64-bit FNV hash.
const mixer = 1099511628211

// mixed returns a sum of a row's pixels and their places: FNV over four pixels at a time, in two lanes.
func mixed[T uint8 | uint16](row []T) uint64 {
	a, b := uint64(len(row)), ^uint64(0)
	for len(row) >= 8 {
		a = (a ^ (uint64(row[0]) | uint64(row[1])<<16 | uint64(row[2])<<32 | uint64(row[3])<<48)) * mixer
		b = (b ^ (uint64(row[4]) | uint64(row[5])<<16 | uint64(row[6])<<32 | uint64(row[7])<<48)) * mixer
		a ^= a >> 32
		b ^= b >> 32
		row = row[8:]
	}
	for _, v := range row {
		a = (a ^ uint64(v)) * mixer
	}
	return a ^ b>>1
}
