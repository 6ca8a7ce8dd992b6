package reporting

import (
	"math"
	"path/filepath"

	"github.com/uni-aims/aimsd/metrics"
)

// maxPooledRows bounds the per-object rows that are read back for a batch's statistics. Beyond it, only
// the diameter, which comes from Sizes, is pooled.
const maxPooledRows = 1 << 20

// quantity is a column of particles.csv that a batch pools over all its objects.
type quantity struct {
	column string // in px or without unit
	nm     string // the same in nm or nm², "" without unit
	power  int    // of the length unit: 1 length, 2 area, 0 none
	title  string
	short  string // symbol or definition
}

// quantities in the order of the report's table. The diameter is first.
func quantities() []quantity {
	return []quantity{
		{"ecd_px", "ecd_nm", 1, "Equivalent circular diameter", "ECD, of the circle with the same area"},
		{"feret_max_px", "feret_max_nm", 1, "Maximum Feret diameter", "longest caliper width"},
		{"feret_min_px", "feret_min_nm", 1, "Minimum Feret diameter", "shortest caliper width"},
		{"perimeter_px", "perimeter_nm", 1, "Perimeter", "outer contour"},
		{"area_px", "area_nm2", 2, "Projected area", "holes excluded"},
		{"aspect_ratio_iso", "", 0, "Aspect ratio", "Feret min / max"},
		{"ar_ellipse", "", 0, "Ellipse axis ratio", "major / minor axis"},
		{"sphericity", "", 0, "Sphericity", "2√(πA) / P"},
		{"circularity_ij", "", 0, "Circularity (ImageJ)", "4πA / P²"},
		{"solidity", "", 0, "Solidity", "area / area of the hull"},
		{"smoothness", "", 0, "Smoothness", "perimeter of the hull / of the contour"},
		{"confidence", "", 0, "Object confidence", "the model's own estimate"},
	}
}

// sample is values with their weights; NaN values and zero weights are excluded from statistics.
type sample struct{ values, weights []float64 }

func (s *sample) add(value, weight float64) {
	s.values = append(s.values, value)
	s.weights = append(s.weights, weight)
}

// pool is a batch's objects taken together.
type pool struct {
	px, nm     sample         // diameters: of all objects, and of those with a scale
	quantities []quantity     // that could be pooled; the diameter always
	statPx     []metrics.Stat // index as quantities; px or unitless, all objects
	statNm     []metrics.Stat // nm or unitless, objects with a scale

	objects, edge    int
	scaled, unscaled int // ok inputs with objects
	unreadTables     int // ok inputs whose particles.csv could not be used
	limited          bool
	areaFraction     *float64
	densityPerUm2    *float64
	analysedPx       float64
	analysedUm2      float64
	smallObjects     int // non-edge objects below 50 px², whose shape means little
	scaledWeight     float64
}

// poolBatch pools the diameters of all objects, and the other quantities as far as the inputs' tables below
// dir can be read.
func poolBatch(dir string, b *Batch) *pool {
	p := &pool{}
	for i := range b.Inputs {
		if in := &b.Inputs[i]; in.Status == StatusOK {
			p.addInput(in)
		}
	}
	all := quantities()
	p.quantities, p.statPx, p.statNm = all[:1], []metrics.Stat{describe(p.px)}, []metrics.Stat{describe(p.nm)}
	if p.objects > maxPooledRows {
		p.limited = true
		return p
	}
	px, nm := make([]sample, len(all)), make([]sample, len(all))
	for i := range b.Inputs {
		in := &b.Inputs[i]
		if in.Status != StatusOK || in.Result.Objects == 0 {
			continue
		}
		t, err := readTable(filepath.Join(dir, in.Folder, ParticlesFile), all, in.Result.Objects)
		if err != nil {
			p.unreadTables++
			continue
		}
		t.pourInto(px, nm, all, in.nmPerPx())
	}
	for q := 1; q < len(all); q++ {
		p.quantities = append(p.quantities, all[q])
		p.statPx = append(p.statPx, describe(px[q]))
		p.statNm = append(p.statNm, describe(nm[q]))
	}
	return p
}

// addInput adds what is known without the input's table.
func (p *pool) addInput(in *BatchInput) {
	r, nmPerPx := in.Result, in.nmPerPx()
	p.objects += r.Objects
	p.edge += in.edgeObjects()
	if r.Objects > 0 {
		if nmPerPx > 0 {
			p.scaled++
		} else {
			p.unscaled++
		}
	}
	weights := 0.0
	for i, ecd := range in.Sizes.ECDPx {
		x, w := float64(ecd), float64(in.Sizes.WeightML[i])
		p.px.add(x, w)
		if nmPerPx > 0 {
			p.nm.add(x*nmPerPx, w)
		}
		if w > 0 && x*x*math.Pi/4 < 50 {
			p.smallObjects++
		}
		weights += w
	}
	area := float64(r.Image.Analysed.AreaPx)
	if r.AreaFraction != nil && area > 0 {
		p.analysedPx += area
		mean := *r.AreaFraction
		if p.areaFraction != nil {
			mean = *p.areaFraction + (*r.AreaFraction-*p.areaFraction)*area/p.analysedPx
		}
		p.areaFraction = &mean
	}
	if um2 := area * nmPerPx * nmPerPx / 1e6; um2 > 0 {
		p.analysedUm2 += um2
		p.scaledWeight += weights
		density := p.scaledWeight / p.analysedUm2
		p.densityPerUm2 = &density
	}
}

// unit tells what the report shows sizes in: nm where any object has a scale, else px.
func (p *pool) unit() string {
	if p.scaled > 0 {
		return "nm"
	}
	return "px"
}

// diameters returns the sample in the report's unit.
func (p *pool) diameters() sample {
	if p.scaled > 0 {
		return p.nm
	}
	return p.px
}

// stat returns the statistics of quantity q in the report's unit.
func (p *pool) stat(q int) metrics.Stat {
	if p.scaled > 0 {
		return p.statNm[q]
	}
	return p.statPx[q]
}
