package distiller

import "fmt"

// Split tells whether a body is a batch, a JSON array of notifications, and
// gives these, in order. They are parts of the body and may each be good or
// bad: Distill tells. There are no batches within a batch. The error is an
// *Error with ErrMalformed, for a batch that is no JSON or beyond a limit.
func (d *Distiller) Split(body []byte) (items [][]byte, batch bool, err error) {
	at := skip(body, 0)
	if at == len(body) || body[at] != '[' {
		return nil, false, nil
	}
	if limit := min(d.maxSize, maxText); len(body) > limit {
		return nil, true, malformedf("a batch of %d bytes, at most %d are allowed", len(body), limit)
	}
	s := d.acquire()
	defer d.release(s, len(body))
	items, err = s.outer.split(body, at+1, d.maxBatch)
	if err != nil {
		return nil, true, malformedf("a batch: %w", err)
	}
	return items, true, nil
}

// split goes over a list from behind its opening bracket, keeping of its items
// only where they are.
func (d *document) split(text []byte, at, most int) (items [][]byte, err error) {
	d.text = text
	at = skip(text, at)
	for closed := at < len(text) && text[at] == ']'; !closed; {
		if len(items) == most {
			return nil, fmt.Errorf("it has more than %d notifications", most)
		}
		d.decoded, d.tape = d.decoded[:0], d.tape[:0]
		end, err := d.value(at, 1)
		if err != nil {
			return nil, notJSON(err)
		}
		items = append(items, text[at:end:end])
		switch at = skip(text, end); {
		case at < len(text) && text[at] == ',':
			at = skip(text, at+1)
		case at < len(text) && text[at] == ']':
			closed = true
		default:
			return nil, notJSON(d.unexpected(at, "a comma or ]"))
		}
	}
	if at = skip(text, at+1); at < len(text) {
		return nil, notJSON(d.unexpected(at, "the end"))
	}
	return items, nil
}
