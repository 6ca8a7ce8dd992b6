package reporting

import (
	"encoding/json"
	"fmt"
)

// Provenance is what a run's results were made with. It is kept with the run, so that its report can be made
// again by another program version under another configuration.
type Provenance struct {
	Site       string `json:"site"`
	Instrument string `json:"instrument"`
	Version    string `json:"version"`
	ConfigHash string `json:"config_hash"`
	Mode       string `json:"mode"`
	Model      *Model `json:"model"`
}

// Provenance returns the batch's.
func (b *Batch) Provenance() Provenance {
	return Provenance{b.Site, b.Instrument, b.Version, b.ConfigHash, b.Mode, b.Model}
}

// SetProvenance fills in the batch's.
func (b *Batch) SetProvenance(p Provenance) {
	b.Site, b.Instrument, b.Version, b.ConfigHash, b.Mode, b.Model = p.Site, p.Instrument, p.Version, p.ConfigHash, p.Mode, p.Model
}

// Encode returns it as a RunRecord keeps it.
func (p Provenance) Encode() []byte {
	data, _ := json.Marshal(p) // cannot fail: strings
	return data
}

// DecodeProvenance reads what Encode wrote. Nothing (a run of an older store) is the zero Provenance.
func DecodeProvenance(data []byte) (p Provenance, err error) {
	if len(data) == 0 {
		return p, nil
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return p, fmt.Errorf("read provenance: %w", err)
	}
	return p, nil
}
