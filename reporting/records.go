package reporting

import "time"

// FrameRecord is a frame's row in the journal.
type FrameRecord struct {
	ID         string // ULID
	RunID      string
	Source     string
	Key        string // identity within the source
	Path       string
	Name       string
	Seq        uint64
	SHA256     string
	Size       int64
	State      string // accepted, processed, gated, rejected, dropped
	Reason     string
	ReceivedAt time.Time
	DoneAt     time.Time
	Folder     string // of the run folder's entry for this frame, "" unless processed
	Summary    []byte // JSON of the frame message, nil unless processed
	Objects    int    // rows of particles.csv, 0 unless processed
}

// RunRecord is a run's row.
type RunRecord struct {
	ID        string
	Source    string // "" when several sources share it
	OpenedAt  time.Time
	ClosedAt  time.Time // zero while open
	LastFrame time.Time
	Reason    string // why it closed: end, idle_timeout, stop
	// Provenance is what made its results, as of its last change: JSON, see Provenance. It makes a report a
	// function of the store.
	Provenance []byte
	RemovedAt  time.Time // when retention removed its results; zero while they are kept
}

// Message is an MQTT message waiting in the outbox. ID orders it.
type Message struct {
	ID       int64
	FrameID  string // "" when it belongs to no frame
	Key      string // ordering key: messages of one key leave in order
	Topic    string
	Payload  []byte // empty with Retained clears a retained topic
	QoS      byte
	Retained bool
	Time     time.Time
}

// Completion is everything that commits together when a frame is done.
type Completion struct {
	FrameID  string
	State    string // processed, gated, rejected, dropped
	Reason   string
	Cause    string // a word for the reason, by which frames are counted; "" is CauseOther
	SHA256   string
	Folder   string
	Summary  []byte       // JSON of the frame message
	Result   *Result      // nil unless processed
	Sizes    Sizes        // per object, for the run's histogram
	Files    []StoredFile // what the frame's folder holds
	Messages []Message
	Alerts   []AlertState // alert states that changed with this frame
}

// Sizes are per-object values kept for run-level distributions; equal lengths.
type Sizes struct {
	ECDPx    []float32 // px
	WeightML []float32 // Miles-Lantuejoul weight, 0 for edge objects
}

// AlertState is an alert that is or was active.
type AlertState struct {
	Code     string
	Key      string
	State    string // raised, updated, acked, shelved, cleared
	ID       string // ULID of the occurrence, constant from raised to cleared
	Seq      uint64
	Severity string
	RaisedAt time.Time
	Payload  []byte // last message
	AckedBy  string // who acknowledged this occurrence, "" until then
	AckedAt  time.Time

	ShelvedBy    string // who shelved the alert, whichever its occurrence
	ShelvedUntil time.Time
	ClearedAt    time.Time // zero while active

	At    time.Time // of the change that led here; zero: nothing that is told or kept
	RunID string    // of the frame that brought the change, "" when none did
}

// Shelved reports whether nothing is to be said of the alert now.
func (a AlertState) Shelved(now time.Time) bool { return now.Before(a.ShelvedUntil) }

// Command is what an operator asks for an alert.
type Command struct {
	Verb    string // CommandAck or CommandShelve
	Code    string
	Key     string
	AlertID string // occurrence meant; "" means the present one
	By      string
	Comment string
	At      time.Time
	For     time.Duration // of CommandShelve; 0 ends the shelving
}

// Commands of an operator. A shelved alert stays on its topic and says nothing more until its time is over, also
// when it ends and comes back meanwhile.
const (
	CommandAck    = "ack"
	CommandShelve = "shelve"
)

// FrameResult is a processed frame as read back from the store: its journal row, its result and its
// per-object sizes.
type FrameResult struct {
	Frame  FrameRecord
	Result Result
	Sizes  Sizes
}

// Counts account for every frame: Received = Processed + Gated + Rejected + Dropped + InFlight, always.
type Counts struct {
	Received  int64 `json:"received"`
	Processed int64 `json:"processed"`
	Gated     int64 `json:"gated"`
	Rejected  int64 `json:"rejected"`
	Dropped   int64 `json:"dropped"`
	InFlight  int64 `json:"in_flight"`
}

// RunTotals are a run's frames by outcome and the objects found in them.
type RunTotals struct {
	Frames  Counts
	Objects int64
}
