package metrics

import "math"

// Column is one column of particles.csv.
type Column struct {
	Name string
	Unit string // px, px^2, nm, nm^2, deg; "" for numbers without one
	// Get returns the value, NaN where it is undefined. nmPerPx is 0 when the scale is unknown.
	Get func(o *Object, nmPerPx float64) float64
	// Plain columns have no statistics: the id, the edge flag, and the orientation, whose mean over axes
	// that wrap at 180 degrees would mislead.
	Plain bool

	of    string // the px column this nm column is a multiple of
	power int    // 1 for lengths, 2 for areas
}

// Columns returns the columns of particles.csv in order: the fixed header, further px columns, then
// lengths and areas in nm.
func Columns() []Column {
	px := func(name, unit string, get func(o *Object) float64) Column {
		return Column{Name: name, Unit: unit, Get: func(o *Object, _ float64) float64 { return get(o) }}
	}
	plain := func(c Column) Column {
		c.Plain = true
		return c
	}
	nm := func(name, of string, get func(o *Object) float64) Column {
		return Column{Name: name, Unit: "nm", of: of, power: 1, Get: func(o *Object, s float64) float64 { return get(o) * scale(s) }}
	}
	nm2 := func(name, of string, get func(o *Object) float64) Column {
		return Column{Name: name, Unit: "nm^2", of: of, power: 2, Get: func(o *Object, s float64) float64 { return get(o) * scale(s) * scale(s) }}
	}
	return []Column{
		plain(px("label", "", func(o *Object) float64 { return float64(o.Label) })),
		px("x_px", "px", func(o *Object) float64 { return o.X }),
		px("y_px", "px", func(o *Object) float64 { return o.Y }),
		px("area_px", "px^2", func(o *Object) float64 { return o.Area }),
		px("ecd_px", "px", func(o *Object) float64 { return o.ECD }),
		px("perimeter_px", "px", func(o *Object) float64 { return o.Perimeter }),
		px("feret_max_px", "px", func(o *Object) float64 { return o.FeretMax }),
		px("feret_min_px", "px", func(o *Object) float64 { return o.FeretMin }),
		px("aspect_ratio_iso", "", func(o *Object) float64 { return o.AspectRatioISO }),
		px("ar_ellipse", "", func(o *Object) float64 { return o.AREllipse }),
		px("sphericity", "", func(o *Object) float64 { return o.Sphericity }),
		px("circularity_ij", "", func(o *Object) float64 { return o.CircularityIJ }),
		px("solidity", "", func(o *Object) float64 { return o.Solidity }),
		px("smoothness", "", func(o *Object) float64 { return o.Smoothness }),
		plain(px("edge", "", func(o *Object) float64 { return flag(o.Edge) })),
		px("weight_ml", "", func(o *Object) float64 { return o.WeightML }),
		px("confidence", "", func(o *Object) float64 { return o.Confidence }),

		px("major_px", "px", func(o *Object) float64 { return o.Major }),
		px("minor_px", "px", func(o *Object) float64 { return o.Minor }),
		plain(px("orientation_deg", "deg", func(o *Object) float64 { return o.OrientationRad * 180 / math.Pi })),
		px("area_filled_px", "px^2", func(o *Object) float64 { return o.AreaFilled }),
		px("bbox_x0_px", "px", func(o *Object) float64 { return float64(o.BBox.X0) }),
		px("bbox_y0_px", "px", func(o *Object) float64 { return float64(o.BBox.Y0) }),
		px("bbox_x1_px", "px", func(o *Object) float64 { return float64(o.BBox.X1) }),
		px("bbox_y1_px", "px", func(o *Object) float64 { return float64(o.BBox.Y1) }),

		nm("x_nm", "x_px", func(o *Object) float64 { return o.X }),
		nm("y_nm", "y_px", func(o *Object) float64 { return o.Y }),
		nm("ecd_nm", "ecd_px", func(o *Object) float64 { return o.ECD }),
		nm2("area_nm2", "area_px", func(o *Object) float64 { return o.Area }),
		nm("perimeter_nm", "perimeter_px", func(o *Object) float64 { return o.Perimeter }),
		nm("feret_max_nm", "feret_max_px", func(o *Object) float64 { return o.FeretMax }),
		nm("feret_min_nm", "feret_min_px", func(o *Object) float64 { return o.FeretMin }),
		nm("major_nm", "major_px", func(o *Object) float64 { return o.Major }),
		nm("minor_nm", "minor_px", func(o *Object) float64 { return o.Minor }),
	}
}

// scale returns a usable pixel size, else NaN.
func scale(nmPerPx float64) float64 {
	if nmPerPx > 0 && !math.IsInf(nmPerPx, 1) {
		return nmPerPx
	}
	return math.NaN()
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
