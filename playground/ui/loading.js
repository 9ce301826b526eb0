// Gradio 6.31 leaves the clock of its loading screen running when the screen is gone: a tenth of a core of every page at rest, and half a
// second of a comparison whose browser shares two cores with the engines. Frames are numbered one by one, so a loop that finds exactly one
// other at work knows the number of its frame. Where that goes on for ten seconds, longer than any animation, it is the clock, and its next
// frame is cancelled; where nothing else is at work, there is none.
{
  const LONGEST = 10_000; // milliseconds
  let last = 0;
  let before = performance.now();
  let alone = 0; // milliseconds beside exactly one other loop
  const look = (now) => {
    const frame = requestAnimationFrame(look);
    const others = frame - last - 1;
    if (others === 1) alone += Math.min(now - before, 100); // a hidden page has no frames
    [last, before] = [frame, now];
    if (others === 0) cancelAnimationFrame(frame);
    if (others === 1 && alone > LONGEST) [frame - 1, frame].forEach((number) => cancelAnimationFrame(number));
  };
  requestAnimationFrame(look);
}
