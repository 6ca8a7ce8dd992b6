package reporting

import (
	"time"

	"github.com/uni-aims/aimsd/metrics"
)

// summary is summary.json.
type summary struct {
	Schema     string     `json:"schema"`
	Run        summaryRun `json:"run"`
	Site       string     `json:"site,omitempty"`
	Instrument string     `json:"instrument,omitempty"`
	Version    string     `json:"version"`
	ConfigHash string     `json:"config_hash"`
	Mode       string     `json:"mode"`
	Model      *Model     `json:"model"`
	Generated  *time.Time `json:"generated_at"`

	Inputs      counts `json:"inputs"`
	Objects     int    `json:"objects"`
	EdgeObjects int    `json:"edge_objects"`

	// Statistics pool all objects of the batch, Miles-Lantuejoul weighted, by CSV column. Columns in nm
	// cover the objects of the inputs with a scale. Primary is the diameter to quote.
	Primary            string                  `json:"primary"`
	Statistics         map[string]metrics.Stat `json:"statistics"`
	InputsWithScale    int                     `json:"inputs_with_scale"`
	InputsWithoutScale int                     `json:"inputs_without_scale"`
	AreaFraction       *float64                `json:"area_fraction"`
	DensityPerUm2      *float64                `json:"density_per_um2"`

	Rows []summaryInput `json:"rows"`

	Milling *millingSummary `json:"milling,omitempty"` // where something was milled

	*summaryJournal // nil where no daemon made the run
}

type summaryRun struct {
	ID       string     `json:"id"`
	OpenedAt *time.Time `json:"opened_at"`
	ClosedAt *time.Time `json:"closed_at"`
	Reason   string     `json:"reason"`
	Source   string     `json:"source"`
}

// summaryInput is one input's row.
type summaryInput struct {
	Path          string                  `json:"path"`
	Folder        string                  `json:"folder"`
	Status        string                  `json:"status"`
	Error         string                  `json:"error"`
	Objects       *int                    `json:"objects"`
	EdgeObjects   *int                    `json:"edge_objects"`
	NmPerPx       *float64                `json:"nm_per_px"`
	ScaleSource   string                  `json:"scale_source,omitempty"`
	Statistics    map[string]metrics.Stat `json:"statistics,omitempty"` // ecd_px and, with a scale, ecd_nm
	AreaFraction  *float64                `json:"area_fraction"`
	DensityPerUm2 *float64                `json:"density_per_um2"`
	Confidence    *float64                `json:"confidence"`
	ImageQuality  []string                `json:"image_quality"`
	TotalMs       *float64                `json:"total_ms"`
	SHA256        string                  `json:"sha256,omitempty"`
	FrameID       string                  `json:"frame_id,omitempty"`
}

func summaryOf(b *Batch, p *pool) *summary {
	s := &summary{
		Schema: BatchSchema,
		Run: summaryRun{
			ID: b.Run.ID, OpenedAt: known(b.Run.OpenedAt), ClosedAt: known(b.Run.ClosedAt),
			Reason: b.Run.Reason, Source: b.Run.Source,
		},
		Site: b.Site, Instrument: b.Instrument, Version: b.Version, ConfigHash: b.ConfigHash, Mode: b.Mode,
		Model: b.Model, Generated: known(b.Generated),
		Inputs: b.counts(), Objects: p.objects, EdgeObjects: p.edge,
		Primary: "ecd_px", Statistics: map[string]metrics.Stat{},
		InputsWithScale: p.scaled, InputsWithoutScale: p.unscaled,
		AreaFraction: p.areaFraction, DensityPerUm2: p.densityPerUm2,
		Rows: make([]summaryInput, 0, len(b.Inputs)), Milling: millingSummaryOf(b),
	}
	if p.scaled > 0 && p.unscaled == 0 {
		s.Primary = "ecd_nm"
	}
	for q, def := range p.quantities {
		s.Statistics[def.column] = p.statPx[q]
		if def.nm != "" && p.scaled > 0 {
			s.Statistics[def.nm] = p.statNm[q]
		}
	}
	if b.ExitStatus != "" {
		s.summaryJournal = journalOf(b)
	}
	for i := range b.Inputs {
		s.Rows = append(s.Rows, summaryInputOf(&b.Inputs[i]))
	}
	return s
}

func summaryInputOf(in *BatchInput) summaryInput {
	row := summaryInput{Path: in.Path, Folder: in.Folder, Status: in.Status, Error: in.Error, ImageQuality: []string{}}
	r := in.Result
	if r == nil {
		return row
	}
	edge, ecd := in.edgeObjects(), r.Statistics["ecd_px"]
	row.Objects, row.EdgeObjects, row.TotalMs = &r.Objects, &edge, &r.TimingsMs.Total
	row.NmPerPx, row.ScaleSource = r.Scale.NmPerPx, r.Scale.Source
	row.Statistics = map[string]metrics.Stat{"ecd_px": ecd}
	if nmPerPx := in.nmPerPx(); nmPerPx > 0 {
		row.Statistics["ecd_nm"] = scaledStat(ecd, nmPerPx)
	}
	row.AreaFraction, row.DensityPerUm2, row.Confidence = r.AreaFraction, r.DensityPerUm2, r.Confidence
	row.ImageQuality = append(row.ImageQuality, r.ImageQuality...)
	row.SHA256, row.FrameID = r.Image.SHA256, r.FrameID
	return row
}

// known returns nil for the zero time.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
