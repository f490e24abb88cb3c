// From a drawing to what the model was taught: the ink fitted into 20 of 28 pixels, its centre of
// mass in the middle, as MNIST's digits are.

const INK_SHARE = 20 / 28;

/** Ink of a canvas, 0 to 1, row by row. */
export function inkOf(canvas) {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return Float32Array.from({ length: data.length / 4 }, (_, i) => 1 - data[4 * i] / 255);
}

function boundsOf(ink, width) {
  let [left, top, right, bottom] = [Infinity, Infinity, -1, -1];
  ink.forEach((value, i) => {
    if (value < 0.05) return;
    const [x, y] = [i % width, Math.floor(i / width)];
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  });
  return right < 0 ? null : { left, top, width: right - left + 1, height: bottom - top + 1 };
}

function massCentre(ink, width) {
  let [mass, x, y] = [0, 0, 0];
  ink.forEach((value, i) => {
    mass += value;
    x += value * (i % width);
    y += value * Math.floor(i / width);
  });
  return { x: x / mass + 0.5, y: y / mass + 0.5 };
}

/** The drawing as height x width values from 0 to 1, or null if nothing is drawn. */
export function fitted(pad, height, width) {
  const box = boundsOf(inkOf(pad), pad.width);
  if (!box) return null;
  const scale = (INK_SHARE * Math.min(height, width)) / Math.max(box.width, box.height);
  const [w, h] = [box.width * scale, box.height * scale];
  const place = (x, y) => {
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
    context.imageSmoothingQuality = "high";
    context.drawImage(pad, box.left, box.top, box.width, box.height, x, y, w, h);
    return inkOf(canvas);
  };
  const [x, y] = [(width - w) / 2, (height - h) / 2];
  const centre = massCentre(place(x, y), width);
  return place(x + width / 2 - centre.x, y + height / 2 - centre.y);
}

/** Show height x width values from 0 to 1 as ink. */
export function show(canvas, values, height, width) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  values.forEach((value, i) => {
    const grey = Math.round(255 * (1 - value));
    image.data.set([grey, grey, grey, 255], 4 * i);
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
}
