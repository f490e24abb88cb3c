// A pad to draw on with mouse, finger or keyboard. `changed` is called after every stroke.

const PEN = 20;
const STEP = 10;
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function makePad(canvas, changed) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const pen = { x: canvas.width / 2, y: canvas.height / 2, down: false };

  function clear() {
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    pen.down = false;
    changed();
  }

  function lineTo(x, y) {
    context.lineWidth = PEN;
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = "#000";
    context.beginPath();
    context.moveTo(pen.x, pen.y);
    context.lineTo(x, y);
    context.stroke();
  }

  function at(event) {
    const box = canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) * canvas.width) / box.width,
      ((event.clientY - box.top) * canvas.height) / box.height,
    ];
  }

  function move(x, y) {
    if (pen.down) lineTo(x, y);
    [pen.x, pen.y] = [x, y];
    if (pen.down) changed();
  }

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    [pen.x, pen.y] = at(event);
    pen.down = true;
    move(...at(event));
  });
  canvas.addEventListener("pointermove", (event) => pen.down && event.buttons && move(...at(event)));
  const lift = () => (pen.down = false);
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("keydown", (event) => {
    const { key } = event;
    if (key in MOVES) {
      const inside = (value, most) => Math.min(most, Math.max(0, value));
      const [dx, dy] = MOVES[key];
      move(inside(pen.x + STEP * dx, canvas.width), inside(pen.y + STEP * dy, canvas.height));
    } else if (key === " ") {
      pen.down = !pen.down;
      move(pen.x, pen.y);
    } else if (key.toLowerCase() === "c") {
      clear();
    } else {
      return;
    }
    event.preventDefault();
  });
  clear();
  return { clear };
}
