package usage

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// A pipeline may run over the same stream several times. What it makes must
// have the same ids each time, or a record would be verified, and billed,
// twice; so every id is a name-based UUID (version 5) of what the event is
// about.

// idSpace is the namespace of message ids that are no UUIDs themselves.
var idSpace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://github.com/seed71495667/winchester/handlers/usage"))

// recordID is the original's: the same for the same record and verdict, in
// whatever stream the record is found.
func (m maker) recordID(b block, eventType string) string {
	return uuid.NewSHA1(m.namespace(b, len(b.events)-1), []byte(eventType)).String()
}

// streamID is for what is said of a record in the light of its stream: the
// original drew these at random. Another stream may say something else.
func (m maker) streamID(b block, event int, eventType string) string {
	name := fmt.Sprintf("%s/%d", eventType, m.env.StreamID)
	return uuid.NewSHA1(m.namespace(b, event), []byte(name)).String()
}

// namespace is the message id of an event of the block, as a UUID. Should a
// handler earlier in the pipeline have made an event without an id, its place
// in the stream stands in; no message id begins with a NUL.
func (m maker) namespace(b block, event int) uuid.UUID {
	id := b.events[event].MessageID
	if id == "" {
		id = fmt.Sprintf("\x00%d/%d", m.env.StreamID, b.start+event)
	}
	if u, ok := parseUUID(id); ok {
		return u
	}
	return uuid.NewSHA1(idSpace, []byte(id))
}

// parseUUID accepts what the original did: hexadecimal digits in either case,
// dashes anywhere, in braces or after a prefix.
func parseUUID(s string) (uuid.UUID, bool) {
	s = strings.NewReplacer("urn:", "", "uuid:", "").Replace(s)
	s = strings.ReplaceAll(strings.Trim(s, "{}"), "-", "")
	if len(s) != 32 {
		return uuid.UUID{}, false
	}
	u, err := uuid.Parse(s)
	return u, err == nil
}
