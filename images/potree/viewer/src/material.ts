// potree-core's material, with what its shader for Potree 2.0's octrees leaves out.

import { PointCloudMaterial } from 'potree-core';

const COLOUR = 'vColor = rgba;';
const ELEVATION = 'vColor = vec4(getElevation(), 1.0);';
const CULLED = 'gl_Position = vec4(1000.0);';

export class CloudMaterial extends PointCloudMaterial {
  constructor() {
    super({ newFormat: true });
  }

  override updateShaderSource(): void {
    super.updateShaderSource();
    // It knows one colour of a point, its own, whatever colouring is chosen.
    this.amend(COLOUR, `\n#if defined color_type_height\n${ELEVATION}\n#else\n${COLOUR}\n#endif\n`);
    // Points that are cut away it would pile up in the picture's upper right corner, which is still inside.
    if (this.numClipBoxes > 0) this.amend(CULLED, 'gl_Position = vec4(2.0, 2.0, 2.0, 1.0);');
  }

  private amend(found: string, instead: string): void {
    if (!this.vertexShader.includes(found)) throw new Error(`potree-core's shader has no "${found}" any more`);
    this.vertexShader = this.vertexShader.replaceAll(found, instead);
  }
}
