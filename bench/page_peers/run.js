// The camera's frames to a library one after another, always the newest; counted as the page counts.

export async function run(answer, faces) {
  const button = document.getElementById('use-camera')
  const canvas = document.createElement('canvas')
  canvas.width = 640
  canvas.height = 480
  for (let i = 0; i < 3; i++) await answer(canvas) // warm up, as the page does
  button.disabled = false
  button.onclick = async () => {
    const video = document.createElement('video')
    video.muted = true
    video.srcObject = await navigator.mediaDevices.getUserMedia({
      video: { width: 640, height: 480 },
    })
    await video.play()
    const seen = { frames: 0, faces: 0, last: -1 }
    const next = async () => {
      if (video.currentTime !== seen.last) {
        seen.last = video.currentTime
        const begin = performance.now()
        seen.faces += faces(await answer(video)) > 0
        seen.frames++
        show(seen, performance.now() - begin)
      }
      requestAnimationFrame(next)
    }
    void next()
  }
}

function show({ frames, faces }, ms) {
  const rows = {
    picture: '640 × 480',
    'finding faces': '–',
    answering: '–',
    frames,
    'with a face': faces,
  }
  document.getElementById('figures').innerHTML = Object.entries(rows)
    .map(([name, value]) => `<dt>${name}</dt><dd>${value}</dd>`)
    .join('')
  document.getElementById('meter-latency').textContent = `${ms.toFixed(0)} ms`
}
