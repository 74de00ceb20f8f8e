package distiller

import (
	"encoding/binary"
	"math/bits"
)

// texts keeps texts that came lately, as the values that traits have. What
// notifications say of a tenant, a host or a flavour they say again and again;
// each text anew would take two allocations, and as much memory in each event
// that the host holds.
type texts [1 << textsBits]any

const (
	textsBits = 9
	// keptText is how long a text may be to be kept. Longer ones come once.
	keptText = 64
)

// value is a text as the value of a trait.
func (t *texts) value(text []byte) any {
	if len(text) > keptText {
		return string(text)
	}
	at := &t[textsHash(text)>>(64-textsBits)]
	if kept, ok := (*at).(string); !ok || kept != string(text) {
		*at = string(text)
	}
	return *at
}

// textsHash looks at no more than both ends: ids differ there, and the rest of
// what is kept seldom shares them.
func textsHash(text []byte) uint64 {
	const odd = 0x9E3779B97F4A7C15
	n := len(text)
	if n < 8 {
		h := uint64(n)
		for _, c := range text {
			h = h<<8 | uint64(c)
		}
		return h * odd
	}
	first, last := binary.LittleEndian.Uint64(text), binary.LittleEndian.Uint64(text[n-8:])
	return (bits.RotateLeft64(first*odd, 32) ^ last) * odd
}
