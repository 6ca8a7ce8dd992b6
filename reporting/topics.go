package reporting

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxSegmentBytes bounds one level of a topic.
const maxSegmentBytes = 128

// Topics names the MQTT topics of one instrument: aims/v1/<site>/<instrument>/...
type Topics struct{ site, instrument string }

// NewTopics checks the names, which become levels of every topic: 1 to 128 bytes of UTF-8 without / + # $ at
// the start, or control characters.
func NewTopics(site, instrument string) (Topics, error) {
	for name, v := range map[string]string{"site": site, "instrument": instrument} {
		if err := checkSegment(v); err != nil {
			return Topics{}, fmt.Errorf("%s %q %w; use letters, digits, - and _", name, v, err)
		}
	}
	return Topics{site, instrument}, nil
}

func checkSegment(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("is empty")
	case len(s) > maxSegmentBytes:
		return fmt.Errorf("is longer than %d bytes", maxSegmentBytes)
	case !utf8.ValidString(s):
		return fmt.Errorf("is not UTF-8")
	case strings.HasPrefix(s, "$"):
		return fmt.Errorf("begins with $")
	case strings.ContainsFunc(s, func(r rune) bool { return strings.ContainsRune("/+#", r) || unicode.IsControl(r) }):
		return fmt.Errorf("contains / + # or a control character")
	}
	return nil
}

func (t Topics) at(levels ...string) string {
	return "aims/v1/" + t.site + "/" + t.instrument + "/" + strings.Join(levels, "/")
}

// Site is the first name the topics are made of.
func (t Topics) Site() string { return t.site }

// Instrument is the second name the topics are made of.
func (t Topics) Instrument() string { return t.instrument }

// Status is the topic of the daemon's state, retained.
func (t Topics) Status() string { return t.at("status") }

// Meta is the topic of the daemon's description, retained.
func (t Topics) Meta() string { return t.at("meta") }

// Frame is the topic of frames that reached their end.
func (t Topics) Frame() string { return t.at("frame") }

// Run is the topic of runs that open and close.
func (t Topics) Run() string { return t.at("run") }

// Event is the topic of what happens once.
func (t Topics) Event() string { return t.at("event") }

// Feedback is the topic of milling feedback.
func (t Topics) Feedback() string { return t.at("feedback") }

// Alert is the topic of one alert. What a level may not hold is percent-encoded.
func (t Topics) Alert(code, key string) string { return t.at("alert", level(code), level(key)) }

// AlertCommand is where a command for an alert is sent: CommandAck, CommandShelve.
func (t Topics) AlertCommand(code, key, verb string) string {
	return t.at("cmd", "alert", level(code), level(key), verb)
}

// CommandFilters subscribe to the commands for every alert.
func (t Topics) CommandFilters() []string {
	return []string{t.at("cmd", "alert", "+", "+", CommandAck), t.at("cmd", "alert", "+", "+", CommandShelve)}
}

// AlertFilter subscribes to every alert.
func (t Topics) AlertFilter() string { return t.at("alert", "#") }

// IsAlert reports whether a topic is one of this instrument's alerts.
func (t Topics) IsAlert(topic string) bool { return strings.HasPrefix(topic, t.at("alert", "")) }

// ParseCommand reads an alert's code and key and what is asked for from the topic of a command.
func (t Topics) ParseCommand(topic string) (code, key, verb string, ok bool) {
	rest, ok := strings.CutPrefix(topic, t.at("cmd", "alert", ""))
	if !ok {
		return "", "", "", false
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 3 || (parts[2] != CommandAck && parts[2] != CommandShelve) {
		return "", "", "", false
	}
	code, errCode := url.PathUnescape(parts[0])
	key, errKey := url.PathUnescape(parts[1])
	if errCode != nil || errKey != nil || code == "" || key == "" {
		return "", "", "", false
	}
	return code, key, parts[2], true
}

// level makes any text one level of a topic: / + # % and control characters as %XX.
func level(s string) string {
	if s == "" {
		return "-"
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if bad := r == utf8.RuneError && n == 1; bad || unicode.IsControl(r) || strings.ContainsRune("/+#%", r) {
			for _, c := range []byte(s[i : i+n]) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}
