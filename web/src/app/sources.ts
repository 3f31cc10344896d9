/** Where pictures come from: a camera, a video or a picture. */

/** Something that people can be told in words. */
export class SourceError extends Error {
  readonly title: string
  readonly retry: boolean

  constructor(title: string, message: string, retry = true) {
    super(message)
    this.title = title
    this.retry = retry
  }
}

export interface Source {
  readonly kind: 'camera' | 'video' | 'picture'
  readonly name: string
  /** Of a camera or video. */
  readonly video: HTMLVideoElement | null
  /** Of a picture. */
  readonly picture: ImageBitmap | null
  readonly stream: MediaStream | null
  close(): void
}

export async function openCamera(device?: string): Promise<Source> {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new SourceError(
      'The camera needs a secure address',
      'Browsers give cameras to pages at https:// or localhost only. Open this page there, or open a video file.',
      false,
    )
  }
  const wanted = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } }
  let stream: MediaStream
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: device
        ? { ...wanted, deviceId: { exact: device } }
        : { ...wanted, facingMode: 'user' },
    })
  } catch (error) {
    throw explained(error)
  }
  const video = await playing((element) => (element.srcObject = stream))
  const track = stream.getVideoTracks()[0]
  return {
    kind: 'camera',
    name: track.label || 'camera',
    video,
    picture: null,
    stream,
    close: () => stream.getTracks().forEach((each) => each.stop()),
  }
}

function explained(error: unknown): SourceError {
  const name = error instanceof DOMException ? error.name : ''
  if (name === 'NotAllowedError' || name === 'SecurityError') {
    return new SourceError(
      'The camera is not allowed',
      'Allow the camera for this page: in most browsers, the icon left of the address. Then try again. Nothing is recorded or sent.',
    )
  }
  if (name === 'NotFoundError' || name === 'OverconstrainedError') {
    return new SourceError(
      'No camera was found',
      'Connect a camera and try again, or open a video or picture.',
    )
  }
  if (name === 'NotReadableError' || name === 'AbortError') {
    return new SourceError(
      'The camera is busy',
      'Another program or tab seems to use it. Close that one and try again.',
    )
  }
  return new SourceError('The camera could not be started', String(error))
}

export async function openFile(file: File): Promise<Source> {
  if (file.type.startsWith('image/')) {
    const picture = await createImageBitmap(file).catch(() => {
      throw new SourceError(
        'This picture cannot be read',
        `${file.name} is damaged or of a kind that this browser does not know.`,
        false,
      )
    })
    return {
      kind: 'picture',
      name: file.name,
      video: null,
      picture,
      stream: null,
      close: () => picture.close(),
    }
  }
  const url = URL.createObjectURL(file)
  try {
    const video = await playing((element) => (element.src = url))
    const close = () => {
      video.pause()
      video.removeAttribute('src')
      URL.revokeObjectURL(url)
    }
    return { kind: 'video', name: file.name, video, picture: null, stream: null, close }
  } catch {
    URL.revokeObjectURL(url)
    throw new SourceError(
      'This file cannot be played',
      `${file.name} is empty, damaged, or of a kind that this browser does not play. MP4 (H.264) and WebM work almost everywhere.`,
      false,
    )
  }
}

/** Cameras by name, once the browser may tell them. */
export async function cameras(): Promise<MediaDeviceInfo[]> {
  const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? []
  return devices.filter((device) => device.kind === 'videoinput' && device.label)
}

async function playing(fill: (element: HTMLVideoElement) => void): Promise<HTMLVideoElement> {
  const video = document.createElement('video')
  video.muted = true
  video.playsInline = true
  const ready = new Promise<void>((resolve, reject) => {
    video.onloadeddata = () => resolve()
    video.onerror = () => reject(video.error ?? new Error('no video'))
  })
  fill(video)
  await ready
  await video.play()
  if (!video.videoWidth) throw new Error('no picture')
  return video
}
