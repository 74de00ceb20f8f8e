package distiller

import "fmt"

// trait is where a trait's value comes from and what it is made into.
type trait struct {
	path   *path
	typ    Type
	plugin TraitPlugin
}

// extract returns the trait's value; nil means that there is none.
func (t *trait) extract(s *state) (any, *Error) {
	if t.plugin != nil {
		return t.plug(s)
	}
	f, err := t.path.first(s)
	if err != nil {
		return nil, &Error{Reason: err}
	}
	if f.value == 0 {
		return nil, nil
	}
	if out := t.typ.quick(s, f.value); out != nil {
		return out, nil
	}
	v := s.decode(f.value)
	out, err := t.finish(v)
	if err != nil {
		return nil, &Error{Path: f.path(), Value: v.String(), Reason: err}
	}
	return out, nil
}

// finish converts a value. An empty text is no value of any type but text:
// some services write "" for a date that there is not yet.
func (t *trait) finish(v value) (any, error) {
	if t.typ != Text && v.kind == kindText && v.text == "" {
		return nil, nil
	}
	out, err := t.typ.convert(v)
	if err != nil {
		return nil, fmt.Errorf("%w, and the trait's type is %s", err, t.typ)
	}
	return out, nil
}

// plug asks the trait's plugin. An error names the first match, if any.
func (t *trait) plug(s *state) (any, *Error) {
	all, err := t.path.all(s)
	if err != nil {
		return nil, &Error{Reason: err}
	}
	matches := s.matches[:0]
	for _, f := range all {
		m := Match{Path: f.path()}
		if s.form(f.value) == formText {
			m.Value = s.texts.value(s.bytes(f.value))
		} else {
			m.Value = s.toAny(f.value)
		}
		matches = append(matches, m)
	}
	s.matches = matches
	defer func() { // what the memory is kept for is not its content
		clear(matches)
		clear(all)
	}()
	refuse := func(err error) *Error {
		if len(all) == 0 {
			return &Error{Reason: err}
		}
		return &Error{Path: all[0].path(), Value: s.decode(all[0].value).String(), Reason: err}
	}
	result, err := callPlugin(t.plugin, matches)
	if err != nil {
		return nil, refuse(err)
	}
	if result == nil {
		return nil, nil
	}
	if _, ok := result.(string); ok && t.typ == Text {
		return result, nil
	}
	v, err := fromAny(result)
	if err != nil {
		return nil, refuse(fmt.Errorf("the plugin's result: %w", err))
	}
	out, err := t.finish(v)
	if err != nil {
		return nil, refuse(fmt.Errorf("the plugin's result %s: %w", v, err))
	}
	return out, nil
}
