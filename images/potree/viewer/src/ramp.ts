// Colours of elevation: viridis, whose lightness grows evenly, so that equal steps look equal, to colour-blind eyes too.

import { Color } from 'three';

/** At equal distances from the lowest to the highest. */
const VIRIDIS = [0x440154, 0x472d7b, 0x3b528b, 0x2c728e, 0x21918c, 0x28ae80, 0x5ec962, 0xaddc30, 0xfde725];

export const RAMP: [number, Color][] = VIRIDIS.map((hex, index) => [index / (VIRIDIS.length - 1), new Color(hex)]);

/** For a legend beside it. */
export const RAMP_CSS = `linear-gradient(to right, ${RAMP.map(([, colour]) => `#${colour.getHexString()}`).join(', ')})`;
