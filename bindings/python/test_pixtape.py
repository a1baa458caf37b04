"""Tests of pixtape.py. `bindings/test` runs them: PIXTAPE_FILES is a folder with weights, an image
(in.ppm), and what the program `pixtape translate` made of it (program.ppm)."""

import os
import subprocess
import sys
import threading
import unittest

import numpy

import pixtape

FILES = os.environ["PIXTAPE_FILES"]


def at(name):
    return os.path.join(FILES, name)


def ppm(name):
    with open(at(name), "rb") as file:
        kind, size, most, data = file.read().split(b"\n", 3)
    assert (kind, most) == (b"P6", b"255")
    width, height = map(int, size.split())
    return numpy.frombuffer(data, numpy.uint8).reshape(height, width, 3)


class Tests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.device = pixtape.Device()
        cls.generator = pixtape.Generator(at("G"), cls.device)

    @classmethod
    def tearDownClass(cls):
        cls.device.close()
        cls.generator.close()

    def test_an_image_is_the_programs(self):
        image = ppm("in.ppm")
        self.assertTrue((self.generator(image) == ppm("program.ppm")).all())
        self.assertEqual(self.generator.multiple, 32)
        self.assertEqual((self.generator.input_channels, self.generator.output_channels), (3, 3))
        self.assertIn("U-Net", self.generator.description)
        self.assertIn("U-Net", repr(self.generator))
        self.assertIn(self.device.name, repr(self.device))

    def test_alpha_is_kept_and_strided_arrays_are_taken(self):
        image = ppm("in.ppm")
        alpha = numpy.arange(image.shape[0] * image.shape[1]).astype(numpy.uint8)
        rgba = numpy.dstack([image, alpha.reshape(image.shape[:2])])
        made = self.generator(rgba)
        self.assertTrue((made[..., :3] == ppm("program.ppm")).all())
        self.assertTrue((made[..., 3] == rgba[..., 3]).all())
        turned = numpy.ascontiguousarray(image[::-1, ::-1])[::-1, ::-1]
        self.assertFalse(turned.flags.c_contiguous)
        self.assertTrue((self.generator(turned) == ppm("program.ppm")).all())

    def test_weights_may_be_bytes_and_a_generator_keeps_its_device(self):
        with open(at("G"), "rb") as file:
            data = file.read()
        with pixtape.Device("0") as device:
            generator = pixtape.Generator(bytearray(data), device)
        self.assertEqual(repr(device), "Device(closed)")
        with generator:
            generator.prepare(45, 70)
            self.assertTrue((generator(ppm("in.ppm")) == ppm("program.ppm")).all())
        with pixtape.Generator(at("G"), norm="running", memory_limit=1 << 30) as generator:
            self.assertFalse((generator(ppm("in.ppm")) == ppm("program.ppm")).all())

    def test_errors_are_the_librarys(self):
        for name, words in [("none", "no such file"), ("text", "text: "), ("cut", "cut: ")]:
            with self.assertRaises(pixtape.Error) as caught:
                pixtape.Generator(at(name), self.device)
            self.assertIn(words, str(caught.exception))
            self.assertEqual(caught.exception.kind, "file")
        with self.assertRaises(pixtape.Error) as caught:
            pixtape.Device("no such card")
        self.assertIn("there are: 0 ", str(caught.exception))
        self.assertEqual(caught.exception.kind, "adapter")
        with self.assertRaises(pixtape.Error) as caught:
            pixtape.Generator(b"", self.device)
        self.assertIn("weights in memory", str(caught.exception))

    def test_arguments_that_cannot_work_are_refused(self):
        image = ppm("in.ppm")
        for wrong in [image[..., 0], image[..., :2], image[None]]:
            self.assertRaises(ValueError, self.generator, wrong)
        for wrong in [image.astype(numpy.float32), image.astype(numpy.int8), "in.ppm"]:
            self.assertRaises(TypeError, self.generator, wrong)
        self.assertRaises(pixtape.Error, self.generator, image[:0])
        self.assertRaises(pixtape.Error, self.generator.prepare, 0, 1)
        self.assertRaises(ValueError, self.generator.prepare, -1, 1)
        for wrong in [{"norm": "no"}, {"memory_limit": 0}, {"key": "a\0b"}]:
            self.assertRaises(ValueError, pixtape.Generator, at("G"), self.device, **wrong)
        closed = pixtape.Generator(at("G"), self.device)
        closed.close()
        closed.close()
        self.assertRaises(ValueError, closed, image)
        self.assertRaises(ValueError, lambda: closed.multiple)
        self.assertEqual(repr(closed), "Generator(closed)")

    def test_threads_share_a_generator(self):
        images = [ppm("in.ppm"), ppm("in.ppm")[::-1], ppm("in.ppm")[:, ::-1]]
        wanted, found = [self.generator(image) for image in images], {}

        def work(number):
            found[number] = [self.generator(images[number]) for _ in range(4)]

        threads = [threading.Thread(target=work, args=(i,)) for i in range(len(images))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number, made in found.items():
            for one in made:
                self.assertTrue((one == wanted[number]).all())
        self.assertEqual(len(found), len(images))

    def test_adapters_and_the_version_are_named(self):
        self.assertIn(self.device.name, pixtape.adapters())
        self.assertRegex(pixtape.version(), r"^\d+\.\d+\.\d+$")

    def test_another_library_is_named_in_an_error(self):
        for library, words in [("/nonexistent.so", "cannot be loaded"), ("libc.so.6", "has no pixtape_")]:
            environment = dict(os.environ, PIXTAPE_LIBRARY=library)
            command = [sys.executable, "-c", "import pixtape"]
            folder = os.path.dirname(os.path.abspath(pixtape.__file__))
            run = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
            self.assertNotEqual(run.returncode, 0)
            self.assertIn(words, run.stderr)


if __name__ == "__main__":
    unittest.main()
