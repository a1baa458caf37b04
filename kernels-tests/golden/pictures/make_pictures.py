"""Makes the pictures beside it, in forms that no encoder of the tests writes: WebP with losses, with an alpha plane, and moving.

    python make_pictures.py    (Pillow 13.0; not needed by any test)
"""
from PIL import Image

picture = Image.frombytes("RGB", (13, 9), bytes((i * 7 + i // 13 * 31) % 256 for i in range(13 * 9 * 3)))
faded = picture.copy()
faded.putalpha(Image.frombytes("L", (13, 9), bytes(i * 2 for i in range(13 * 9))))
picture.save("lossy.webp", quality=50)
faded.save("faded.webp", quality=50)
picture.save("moving.webp", save_all=True, append_images=[picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)], duration=40, quality=50)
