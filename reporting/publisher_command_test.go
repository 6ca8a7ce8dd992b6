package reporting

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestCommandTopicsAreReadBack(t *testing.T) {
	b := testBuilder(t)
	for _, name := range [][2]string{{"LOW", "acq"}, {"a/b+c#d%e", "ä ö\n"}, {"%2F", "\xff\x00"}} {
		for _, want := range []string{CommandAck, CommandShelve} {
			code, key, verb, ok := b.ParseCommand(b.AlertCommand(name[0], name[1], want))
			require.True(t, ok)
			require.Equal(t, [3]string{name[0], name[1], want}, [3]string{code, key, verb})
		}
		require.False(t, strings.ContainsAny(strings.TrimPrefix(b.Topics.Alert(name[0], name[1]), b.at("alert")+"/"), "+#\n"))
		require.True(t, b.IsAlert(b.Topics.Alert(name[0], name[1])))
	}
	for _, bad := range []string{
		"", "aims/v1/lab-a/fib 01/cmd/alert/a/ack", "aims/v1/x/y/cmd/alert/a/b/ack", "aims/v1/lab-a/fib 01/cmd/alert/a/b/c/ack",
		"aims/v1/lab-a/fib 01/cmd/alert/%zz/b/ack", "aims/v1/lab-a/fib 01/cmd/alert/a/b/delete", "aims/v1/lab-a/fib 01/cmd/alert//b/ack",
	} {
		_, _, _, ok := b.ParseCommand(bad)
		require.False(t, ok, bad)
	}
}

func TestCommandsAreReadOrRefused(t *testing.T) {
	b := testBuilder(t)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	read := func(verb, payload string) (Command, error) {
		return b.Command(b.AlertCommand("LOW", "acq", verb), []byte(payload), at)
	}
	c, err := read(CommandAck, "")
	require.NoError(t, err)
	require.Equal(t, Command{Verb: CommandAck, Code: "LOW", Key: "acq", At: at}, c)
	c, err = read(CommandShelve, `{"by":"mia\n","comment":"`+strings.Repeat("ä", 900)+`","alert_id":"x","later":1}`)
	require.NoError(t, err)
	require.Equal(t, time.Hour, c.For)
	require.Equal(t, "mia ", c.By)
	require.Equal(t, 500, utf8.RuneCountInString(c.Comment))
	require.Equal(t, "x", c.AlertID)
	c, err = read(CommandShelve, `{"duration_s":90.5}`)
	require.NoError(t, err)
	require.Equal(t, 90500*time.Millisecond, c.For)
	c, err = read(CommandShelve, `{"duration_s":0}`)
	require.NoError(t, err)
	require.Zero(t, c.For)
	for payload, want := range map[string]string{
		"not json":                "JSON object",
		"[]":                      "JSON object",
		`{"by":7}`:                "JSON object",
		`{"duration_s":-1}`:       "duration_s",
		`{"duration_s":604801}`:   "duration_s",
		`{"duration_s":1e999}`:    "JSON object",
		strings.Repeat(" ", 4097): "4097 bytes",
	} {
		_, err := read(CommandShelve, payload)
		require.ErrorContains(t, err, want, payload)
	}
	_, err = b.Command("aims/v1/lab-a/fib 01/frame", nil, at)
	require.Error(t, err)
}

func TestCommandsThatTheSchemaAllowsAreObeyed(t *testing.T) {
	s := compiledSchema(t, "command")
	b := testBuilder(t)
	for _, payload := range []string{`{}`, `{"by":"mia","comment":"x","alert_id":"01K","duration_s":3}`, `{"duration_s":604800}`} {
		var doc any
		require.NoError(t, json.Unmarshal([]byte(payload), &doc))
		require.NoError(t, s.Validate(doc))
		_, err := b.Command(b.AlertCommand("A", "b", CommandShelve), []byte(payload), time.Now())
		require.NoError(t, err)
	}
}

// FuzzCommand: whatever arrives over MQTT, on whatever topic, is a command within bounds or an error.
func FuzzCommand(f *testing.F) {
	b := testBuilder(f)
	f.Add(b.AlertCommand("LOW", "acq", CommandAck), []byte(nil))
	f.Add(b.AlertCommand("LOW", "acq/2", CommandShelve), []byte(`{"by":"mia","comment":"seen","alert_id":"01","duration_s":60}`))
	f.Add(b.at("cmd", "alert", "%ff", "%", "ack"), []byte(`{"duration_s":1e308}`))
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		at := time.Unix(1_800_000_000, 0).UTC()
		if topic != "" { // as a name, it comes back
			code, key, verb, ok := b.ParseCommand(b.AlertCommand(topic, topic+"x", CommandShelve))
			require.True(t, ok)
			require.Equal(t, [3]string{topic, topic + "x", CommandShelve}, [3]string{code, key, verb})
		}
		for _, topic := range []string{topic, b.AlertCommand("A", "b", CommandShelve)} {
			c, err := b.Command(topic, payload, at)
			if err != nil {
				require.NotEmpty(t, err.Error())
				continue
			}
			require.NotEmpty(t, c.Code)
			require.NotEmpty(t, c.Key)
			require.LessOrEqual(t, c.For, shelveMost)
			require.GreaterOrEqual(t, c.For, time.Duration(0))
			require.LessOrEqual(t, utf8.RuneCountInString(c.By), maxAlertText)
			require.LessOrEqual(t, utf8.RuneCountInString(c.Comment), maxAlertComment)
			require.True(t, utf8.ValidString(c.By) && utf8.ValidString(c.Comment))
			// The message that echoes it can be made.
			state, _, err := b.Alert(AlertMessage{Code: "A", Key: "b", Severity: "info", State: AlertRaised})
			require.NoError(t, err)
			_, msgs, err := b.obey(state, c)
			require.NoError(t, err)
			for _, m := range msgs {
				require.True(t, json.Valid(m.Payload))
			}
		}
	})
}
