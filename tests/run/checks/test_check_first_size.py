"""A training whose first images are too small for the network is refused before it begins."""

from checks import check_command, refusal


def test_a_network_that_takes_the_first_images_is_accepted(tmp_path):
    check_command(tmp_path, "model=mobilenet_v2", "training.first_size=0.5")


def test_a_network_of_one_size_is_refused_with_the_size(tmp_path):
    message = refusal(tmp_path, "model=custom", "model._target_=user_nets.OneSize", "training.first_size=0.5")
    start = "model user_nets.OneSize does not run on 16 pixels, where training.first_size=0.5 begins: "
    assert message.startswith(start)
    assert message.endswith("; must be larger, or 1")
