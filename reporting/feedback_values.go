package reporting

import (
	"math"
)

// Values are what rules can ask of a milled region, by name. What is not known, or not to be used, is left out.
func (m *Milling) Values() map[string]float64 {
	v := map[string]float64{}
	if m == nil {
		return v
	}
	put := func(name string, p *float64, factor float64) {
		if p = finite(p); p != nil {
			v[name] = *p * factor
		}
	}
	o := &m.Observation
	if d := o.Drift; d != nil && d.Success {
		px := math.Hypot(d.XPx, d.YPx)
		v["drift.x_px"], v["drift.y_px"], v["drift.px"], v["drift.score"] = d.XPx, d.YPx, px, d.Score
		if o.NmPerPx != nil {
			v["drift.nm"] = px * *o.NmPerPx
		}
	}
	put("milling.confidence", o.Confidence, 1)
	if m.Decision == nil || m.Decision.Geometry == nil {
		return v
	}
	g := m.Decision.Geometry
	put("milling.progress", g.Progress, 1)
	put("milling.front_nm", g.FrontM, 1e9)
	put("milling.area_um2", g.MilledAreaM2, 1e12)
	put("milling.rate_nm_per_s", g.RateMPerS, 1e9)
	put("milling.eta_s", g.EtaS, 1)
	return v
}
