package scalebar

import (
	_ "embed"
	"encoding/binary"
	"fmt"
	"math"
)

//go:embed reader.bin
var readerBytes []byte

// Geometry of the reader's input: rows, and the rows at which the digits' top and the baseline lie.
const (
	lineRows = 24
	lineTop  = 4
	lineBase = 18
	// maxLineCols bounds the width of one line, in input columns.
	maxLineCols = 320
)

// classes are the reader's characters, from class 1 on; class 0 is the blank, ? any other character.
const classes = "0123456789.,nmupA/?"

// layer is one convolution with what follows it.
type layer struct {
	in, out, kh, kw, ph, pw, dil, poolH, poolW int
	relu                                       bool
	weight, bias                               []float32 // weight[o][i][kh][kw]
}

// reader is the character network. It is read-only after loading and safe for concurrent use.
type reader struct{ layers []layer }

// loadReader decodes the embedded weights, which takes a fraction of a millisecond.
func loadReader() (*reader, error) { return parseReader(readerBytes) }

// parseReader decodes the weights as infer/training/scalebar/train.py writes them.
func parseReader(b []byte) (*reader, error) {
	bad := fmt.Errorf("scale bar: the reader's weights are damaged: rebuild the program")
	if len(b) < 8 || string(b[:4]) != "SBR1" {
		return nil, bad
	}
	n := int(int32(binary.LittleEndian.Uint32(b[4:])))
	b = b[8:]
	if n < 1 || n > 32 {
		return nil, bad
	}
	r := &reader{}
	channels := 1
	for range n {
		if len(b) < 40 {
			return nil, bad
		}
		var v [10]int
		for k := range v {
			v[k] = int(int32(binary.LittleEndian.Uint32(b[4*k:])))
			if v[k] < 0 || v[k] > 512 {
				return nil, bad
			}
		}
		b = b[40:]
		l := layer{in: v[0], out: v[1], kh: v[2], kw: v[3], ph: v[4], pw: v[5], dil: v[6], poolH: v[7], poolW: v[8], relu: v[9] != 0}
		count := l.out * l.in * l.kh * l.kw
		if l.in != channels || count == 0 || l.dil < 1 || l.poolH < 1 || l.poolW < 1 || len(b) < 2*(count+l.out) {
			return nil, bad
		}
		l.weight, l.bias = halves(b, count), halves(b[2*count:], l.out)
		b = b[2*(count+l.out):]
		channels = l.out
		r.layers = append(r.layers, l)
	}
	if channels != len(classes)+1 {
		return nil, bad
	}
	return r, nil
}

// halves decodes n half-precision numbers; denormals count as zero.
func halves(b []byte, n int) []float32 {
	out := make([]float32, n)
	for k := range out {
		h := uint32(binary.LittleEndian.Uint16(b[2*k:]))
		exp := h >> 10 & 31
		if exp == 0 {
			continue
		}
		out[k] = math.Float32frombits(h>>15<<31 | (exp+112)<<23 | h&1023<<13)
	}
	return out
}

// tensor is channels x h x w.
type tensor struct {
	c, h, w int
	v       []float32
}

// run gives the log probabilities of the classes, one row per two columns of the line (lineRows x w, 0..255).
func (r *reader) run(line []uint8, w int) [][]float32 {
	t := tensor{1, lineRows, w, make([]float32, lineRows*w)}
	for k, v := range line {
		t.v[k] = float32(v)/128 - 1
	}
	for k := range r.layers {
		t = r.layers[k].apply(t)
	}
	out := make([][]float32, t.w)
	for x := range out {
		row := make([]float32, t.c)
		top := float32(math.Inf(-1))
		for c := range row {
			row[c] = t.v[c*t.h*t.w+x]
			top = max(top, row[c])
		}
		var sum float64
		for _, v := range row {
			sum += math.Exp(float64(v - top))
		}
		norm := top + float32(math.Log(sum))
		for c := range row {
			row[c] -= norm
		}
		out[x] = row
	}
	return out
}

// apply runs the convolution, the rectifier and the pooling.
func (l *layer) apply(t tensor) tensor {
	// The input is copied into a frame of zeros, so that the inner loop needs no bounds.
	padX := l.pw
	pw, ph := t.w+2*padX, t.h+2*l.ph
	src := make([]float32, t.c*ph*pw)
	for c := range t.c {
		for y := range t.h {
			copy(src[(c*ph+y+l.ph)*pw+padX:], t.v[(c*t.h+y)*t.w:][:t.w])
		}
	}
	o := tensor{c: l.out, h: ph - l.kh + 1, w: pw - (l.kw-1)*l.dil}
	o.v = make([]float32, o.c*o.h*o.w)
	for oc := 0; oc < l.out; oc += lanes {
		n := min(lanes, l.out-oc)
		for y := range o.h {
			var dst [lanes][]float32
			for k := range n {
				dst[k] = o.v[((oc+k)*o.h+y)*o.w:][:o.w]
				bias := l.bias[oc+k]
				for x := range dst[k] {
					dst[k][x] = bias
				}
			}
			for ic := range l.in {
				for ky := range l.kh {
					row := src[(ic*ph+y+ky)*pw:][:pw]
					var wt [lanes][]float32
					for k := range n {
						wt[k] = l.weight[(((oc+k)*l.in+ic)*l.kh+ky)*l.kw:][:l.kw]
					}
					if n == lanes {
						accumulateLanes(&dst, row, &wt, l.dil)
						continue
					}
					for k := range n {
						accumulate(dst[k], row, wt[k], l.dil)
					}
				}
			}
			if l.relu {
				for k := range n {
					for x, v := range dst[k] {
						dst[k][x] = max(v, 0)
					}
				}
			}
		}
	}
	if l.poolH == 1 && l.poolW == 1 {
		return o
	}
	return o.pool(l.poolH, l.poolW)
}

// lanes is how many output channels are computed side by side: each input value is loaded once for all of them.
const lanes = 4

// accumulateLanes adds the correlations of row with each lane's weights, taps dil apart, to the lane's dst.
func accumulateLanes(dst *[lanes][]float32, row []float32, wt *[lanes][]float32, dil int) {
	n := len(dst[0])
	d0, d1, d2, d3 := dst[0][:n], dst[1][:n], dst[2][:n], dst[3][:n]
	k := 0
	for ; k+3 <= len(wt[0]); k += 3 { // three taps at a time
		r0, r1, r2 := row[k*dil:][:n], row[(k+1)*dil:][:n], row[(k+2)*dil:][:n]
		a0, a1, a2 := wt[0][k], wt[0][k+1], wt[0][k+2]
		b0, b1, b2 := wt[1][k], wt[1][k+1], wt[1][k+2]
		c0, c1, c2 := wt[2][k], wt[2][k+1], wt[2][k+2]
		e0, e1, e2 := wt[3][k], wt[3][k+1], wt[3][k+2]
		for x, v := range r0 {
			u, w := r1[x], r2[x]
			d0[x] += a0*v + a1*u + a2*w
			d1[x] += b0*v + b1*u + b2*w
			d2[x] += c0*v + c1*u + c2*w
			d3[x] += e0*v + e1*u + e2*w
		}
	}
	for ; k < len(wt[0]); k++ {
		a, b, c, e := wt[0][k], wt[1][k], wt[2][k], wt[3][k]
		for x, v := range row[k*dil:][:n] {
			d0[x] += a * v
			d1[x] += b * v
			d2[x] += c * v
			d3[x] += e * v
		}
	}
}

// accumulate is accumulateLanes for one lane.
func accumulate(dst, row, wt []float32, dil int) {
	for k, a := range wt {
		for x, v := range row[k*dil:][:len(dst)] {
			dst[x] += a * v
		}
	}
}

// pool takes the largest value of ph x pw blocks.
func (t tensor) pool(ph, pw int) tensor {
	o := tensor{c: t.c, h: t.h / ph, w: t.w / pw}
	o.v = make([]float32, o.c*o.h*o.w)
	for c := range t.c {
		for y := range o.h {
			dst := o.v[(c*o.h+y)*o.w:][:o.w]
			for x := range dst {
				m := t.v[(c*t.h+y*ph)*t.w+x*pw]
				for ky := range ph {
					for _, v := range t.v[(c*t.h+y*ph+ky)*t.w+x*pw:][:pw] {
						m = max(m, v)
					}
				}
				dst[x] = m
			}
		}
	}
	return o
}
