package reporting

import (
	"html/template"
	"net/url"
	"strings"
	"time"
)

// reportView is what the page's template shows: texts ready to read, in the page's order.
type reportView struct {
	Title, RunID string
	Facts        []fact // head of the page
	Warnings     []string
	Key          []keyFigure
	Unit         string // "nm, µm, ... or px"
	UnitNote     string
	Milling      []millingView
	Histogram    template.HTML
	HistogramOf  string
	Trend        template.HTML
	Statistics   []statisticRow
	StatNote     string
	Cards        []card
	CardStyle    string // one, few or many
	CardNote     string
	Rows         []inputRow
	RowUnit      string
	Shape        bool // whether shape columns are shown and need their definition
	Alerts       []alertRow
	Provenance   []fact
}

// alertRow is a line of the table of alerts.
type alertRow struct{ Time, Alert, Severity, State, Text, Acked string }

type fact struct {
	Name, Value string
	Code        bool // set in a fixed-width face
}

type keyFigure struct{ Name, Value, Unit, Note string }

type statisticRow struct{ Title, Short, Unit, N, Min, Max, Mean, SD, P10, P50, P90 string }

// inputRow is a line of the table of inputs.
type inputRow struct {
	Number                           int
	Path, Link, Status, Error        string
	Objects, Edge, Area              string
	Scale, ScaleSource               string
	P10, P50, P90, Unit              string
	Density, Confidence, Time, Flags string
}

func reportOf(dir string, b *Batch, p *pool) *reportView {
	stat := p.stat(0)
	unit := chooseUnit(p.unit(), stat.P50)
	v := &reportView{
		Title: titleOf(b.Mode), RunID: b.Run.ID, Unit: unit.name, UnitNote: unitNote(p),
		Facts: headFacts(b), Warnings: warnings(b, p), Key: keyFigures(b, p, unit), Milling: millingViews(b),
		Histogram:   histogramChart(p.diameters(), stat, unit),
		HistogramOf: histogramNote(p, stat.N),
		Trend:       inputsChart(trendPoints(b, p, unit), unit),
		Statistics:  statisticRows(p), StatNote: statNote(p),
		Shape: len(p.quantities) > 1, Alerts: alertRows(b), Provenance: provenance(b),
	}
	v.Cards, v.CardStyle, v.CardNote = gallery(dir, b)
	for i := range b.Inputs {
		v.Rows = append(v.Rows, rowOf(i+1, &b.Inputs[i]))
	}
	return v
}

func titleOf(mode string) string {
	titles := map[string]string{
		"grains": "Grain analysis", "pores": "Pore analysis", "fibres": "Fibre analysis", "phases": "Phase analysis",
		"layers": "Layer analysis",
	}
	if t := titles[mode]; t != "" {
		return t
	}
	return "Particle analysis"
}

func headFacts(b *Batch) []fact {
	place := b.Site
	if b.Instrument != "" {
		place = strings.TrimPrefix(place+" / "+b.Instrument, " / ")
	}
	facts := []fact{
		{Name: "Run", Value: b.Run.ID, Code: true},
		{Name: "Site / instrument", Value: place},
		{Name: "Source", Value: b.Run.Source},
		{Name: "Started", Value: clock(b.Run.OpenedAt)},
		{Name: "Ended", Value: endText(b)},
		{Name: "Software", Value: strings.TrimSpace("aimsd " + b.Version)},
	}
	if m := b.Model; m != nil {
		facts = append(facts, fact{Name: "Model", Value: strings.TrimSpace(m.Name + " " + m.Version)})
	}
	return filled(facts)
}

func endText(b *Batch) string {
	if b.Run.ClosedAt.IsZero() {
		return "still open"
	}
	took := b.Run.ClosedAt.Sub(b.Run.OpenedAt).Round(time.Second)
	text := clock(b.Run.ClosedAt)
	if took > 0 {
		text += ", after " + took.String()
	}
	return text
}

func provenance(b *Batch) []fact {
	facts := []fact{
		{Name: "Configuration (SHA-256)", Value: b.ConfigHash, Code: true},
		{Name: "Run closed by", Value: b.Run.Reason},
	}
	if b.ExitStatus != "" {
		facts = append(facts, fact{Name: "Exit status", Value: b.ExitStatus}, fact{Name: "Frames", Value: accountText(b.Frames.Frames)})
	}
	if m := b.Model; m != nil {
		facts = append(facts,
			fact{Name: "Model file (SHA-256)", Value: m.SHA256, Code: true},
			fact{Name: "Precision, provider", Value: strings.Trim(m.Precision+", "+m.Provider, ", ")})
	} else {
		facts = append(facts, fact{Name: "Labels", Value: "made elsewhere; no model of this program was used"})
	}
	if !b.Generated.IsZero() {
		facts = append(facts, fact{Name: "Report written", Value: clock(b.Generated)})
	}
	return filled(facts)
}

func filled(facts []fact) []fact {
	var out []fact
	for _, f := range facts {
		if f.Value != "" {
			out = append(out, f)
		}
	}
	return out
}

// rowOf is the input's line in the table.
func rowOf(number int, in *BatchInput) inputRow {
	row := inputRow{Number: number, Path: in.Path, Status: in.Status, Error: in.Error}
	if in.Folder != "" {
		row.Link = linkTo(in.Folder, "")
	}
	if in.Result == nil {
		return row
	}
	r := in.Result
	stat, stored := diametersOf(in)
	unit := chooseUnit(stored, stat.P50)
	value, per := density(r.DensityPerUm2)
	if r.DensityPerUm2 != nil {
		value += " " + per
	}
	row.Objects, row.Edge = count(r.Objects), count(in.edgeObjects())
	row.Scale, row.ScaleSource = scaleTexts(&r.Scale)
	row.Area = percent(r.AreaFraction)
	row.P10, row.P50, row.P90, row.Unit = unit.show(stat.P10), unit.show(stat.P50), unit.show(stat.P90), unit.name
	row.Density, row.Confidence = value, fraction(r.Confidence)
	row.Time = significant(r.TimingsMs.Total, 3)
	row.Flags = flagsText(r.ImageQuality)
	return row
}

// linkTo is the relative address of a file in an input's folder.
func linkTo(folder, file string) string {
	return "./" + url.PathEscape(folder) + "/" + file
}

// trendPoints are the inputs that can be shown in the chart's unit.
func trendPoints(b *Batch, p *pool, unit lengthUnit) []inputPoint {
	var points []inputPoint
	for i := range b.Inputs {
		in := &b.Inputs[i]
		if in.Status != StatusOK {
			continue
		}
		stat, stored := diametersOf(in)
		if stored != p.unit() || stat.P10 == nil || stat.P50 == nil || stat.P90 == nil {
			continue
		}
		points = append(points, inputPoint{i + 1, *stat.P10 * unit.factor, *stat.P50 * unit.factor, *stat.P90 * unit.factor})
	}
	return points
}
