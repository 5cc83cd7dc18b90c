// The images of avatars-64: drawn faces in 8 styles, one folder for each, as many as wanted and the same at every run.
//
//   cd sets/avatars && npm install          once; Node.js 18 or newer
//   node render.mjs OUT                     3,000 faces of each style, 24,000 in all, in about 3 minutes
//   node render.mjs OUT 100                 100 of each
//   ganzoo train quick-64 --data OUT
//
// The designs may be used and changed if their authors are named, CC BY 4.0: adventurer (Lisa Wischofsky), big-ears (The
// Visual Team), big-smile (Ashley Seo), micah (Micah Lanier), personas (Draftbit), toon-head (Johan Melin). Two are CC0 1.0:
// open-peeps (Pablo Stanley) and pixel-art (DiceBear). DiceBear, https://www.dicebear.com, puts them together.
import fs from "node:fs";
import path from "node:path";
import { createAvatar } from "@dicebear/core";
import * as collection from "@dicebear/collection";
import { Resvg } from "@resvg/resvg-js";

const STYLES = {
  adventurer: "adventurer",
  bigEars: "big-ears",
  bigSmile: "big-smile",
  micah: "micah",
  openPeeps: "open-peeps",
  personas: "personas",
  pixelArt: "pixel-art",
  toonHead: "toon-head",
};
const BACKGROUNDS = ["b6e3f4", "c0aede", "d1d4f9", "ffd5dc", "ffdfbf"];
const PIXELS = 128;

const [out, each = "3000"] = process.argv.slice(2);
if (!out || !/^[1-9][0-9]{0,6}$/.test(each)) {
  console.error("usage: node render.mjs OUT [images of each style, 3000]");
  process.exit(2);
}
for (const [style, folder] of Object.entries(STYLES)) {
  fs.mkdirSync(path.join(out, folder), { recursive: true });
  for (let i = 0; i < Number(each); i++) {
    const svg = createAvatar(collection[style], { seed: `${style}-${i}`, backgroundColor: BACKGROUNDS }).toString();
    const png = new Resvg(svg, { fitTo: { mode: "width", value: PIXELS } }).render().asPng();
    fs.writeFileSync(path.join(out, folder, `${String(i).padStart(5, "0")}.png`), png);
  }
  console.log(`${each} images of ${folder}`);
}
