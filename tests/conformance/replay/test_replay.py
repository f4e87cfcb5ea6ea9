"""Each row of each recording, played to the embedded cloud."""


def test_the_embedded_cloud_answers_as_opennebula_did(row, outcomes):
    recording, number = row
    differences = outcomes(recording)[str(number)]
    assert not differences, "\n".join(differences)
