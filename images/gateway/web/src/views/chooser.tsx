// The field that files are dropped on, and the buttons beside it.

import { useRef, useState } from 'preact/hooks';
import { announce } from '../announce';
import { ACCEPT, dropped, picked, type Picked } from '../uploads/pick';

interface ChooserProps {
  take: (files: Picked[]) => void;
  // What dropping does, such as "Drop photos, archives, videos or whole folders here".
  invitation: string;
}

export function Chooser({ take, invitation }: ChooserProps) {
  const [over, setOver] = useState(false);
  const given = (files: Picked[]): void => {
    if (files.length > 0) take(files);
  };

  function drop(event: DragEvent): void {
    event.preventDefault();
    setOver(false);
    if (!event.dataTransfer) return;
    dropped(event.dataTransfer).then(given, () => announce('These files cannot be read. Use the buttons instead.'));
  }

  return (
    <div
      class={over ? 'drop over' : 'drop'}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <p>
        <span class="fine">{invitation}</span>
        <span class="coarse">Choose photos, a video or an archive</span>
      </p>
      <div class="actions">
        <Picker label="Choose files" kind="file" given={given} />
        <Picker label="Choose a folder" kind="folder" given={given} />
        <Picker label="Take a photo" kind="camera" given={given} />
      </div>
    </div>
  );
}

interface PickerProps {
  label: string;
  kind: 'file' | 'folder' | 'camera';
  given: (files: Picked[]) => void;
}

function Picker({ label, kind, given }: PickerProps) {
  const input = useRef<HTMLInputElement>(null);
  const special = {
    file: { accept: ACCEPT },
    folder: { webkitdirectory: true },
    camera: { accept: 'image/*', capture: 'environment' },
  } as const;
  return (
    <>
      <button type="button" class={`pick-${kind}`} onClick={() => input.current?.click()}>
        {label}
      </button>
      <input
        ref={input}
        type="file"
        multiple={kind !== 'camera'}
        hidden
        aria-hidden="true"
        {...special[kind]}
        onChange={(event) => {
          given(picked(event.currentTarget.files));
          event.currentTarget.value = '';
        }}
      />
    </>
  );
}
