"""Know the steps: given what a farm should be and what the cloud shows.

Pure: values in, values out. `addresses` chooses class C networks and addresses,
`resolve` turns the declared farm into a target in the cloud's terms, `plan` holds the
target against the view, `placement` picks hypervisors, `capacity` says what is short,
`saved` writes a plan down and reads it back, `lines` draws it for people. Asking and
acting are `reconcile`'s.
"""
