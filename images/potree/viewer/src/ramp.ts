// Colours of elevation: viridis, whose lightness grows evenly, so that equal steps look equal, to the colour-blind too.

import { Color, DataTexture, LinearFilter, SRGBColorSpace } from 'three';

/** At equal distances from the lowest to the highest. */
const VIRIDIS = [0x440154, 0x472d7b, 0x3b528b, 0x2c728e, 0x21918c, 0x28ae80, 0x5ec962, 0xaddc30, 0xfde725];
const TEXELS = 256;

const stops = VIRIDIS.map((hex) => `#${new Color(hex).getHexString()}`);
/** For a legend beside it. */
export const RAMP_CSS = `linear-gradient(to right, ${stops.join()})`;

/** The ramp along x; between its colours it is mixed as the legend's is, by their sRGB values. */
export function rampTexture(): DataTexture {
  const texels = Array.from({ length: TEXELS }, (_, texel) => {
    const place = (texel / (TEXELS - 1)) * (VIRIDIS.length - 1);
    const before = Math.min(Math.floor(place), VIRIDIS.length - 2);
    const [from, to] = [channels(VIRIDIS[before]), channels(VIRIDIS[before + 1])];
    return [...from.map((value, channel) => value + ((to[channel] ?? value) - value) * (place - before)), 1];
  });
  const texture = new DataTexture(new Uint8Array(texels.flat().map((value) => Math.round(255 * value))), TEXELS, 1);
  texture.magFilter = texture.minFilter = LinearFilter;
  texture.needsUpdate = true;
  return texture;
}

function channels(hex = 0): number[] {
  const { r, g, b } = new Color(hex).getRGB({ r: 0, g: 0, b: 0 }, SRGBColorSpace);
  return [r, g, b];
}
