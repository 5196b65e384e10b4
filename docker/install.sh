#!/bin/sh
# Fills /opt/faceblur, the virtual environment of the images: install.sh media|cpu|gpu|wheel|app
# The layers of media, cpu and gpu depend on this file and the pins alone, so a change in app/ installs no TensorFlow again.
set -eu

here=$(dirname "$0")
pip=/opt/faceblur/bin/pip

locked() { "$pip" install --constraint "$here/constraints.txt" "$@"; }

# deepface and retina-face ask for onnxruntime, whose files overwrite onnxruntime-gpu's; tf-keras asks for the full
# TensorFlow beside tensorflow-cpu. So these three come without their dependencies, which are named here; `app` checks them.
models() {
  locked "$@" onnx gdown mtcnn pandas requests tqdm werkzeug scikit-image
  locked --no-deps deepface retina-face tf-keras
  # 0.4 GB that nothing reads here: headers for compiling TensorFlow extensions, and the packages' own tests.
  rm -r /opt/faceblur/lib/python3.*/site-packages/tensorflow/include
  find /opt/faceblur/lib -type d -name tests -prune -exec rm -r {} +
}

case $1 in
  media) # split and assemble: no model packages
    python3 -m venv /opt/faceblur
    "$pip" uninstall --yes setuptools
    locked av click filelock isal lap numpy opencv-contrib-python-headless pillow rich scipy
    ;;
  cpu)
    case $(uname -m) in
      x86_64) models onnxruntime tensorflow-cpu ;;
      *) models onnxruntime tensorflow ;; # tensorflow-cpu has no wheel for ARM, where tensorflow is the CPU build
    esac
    ;;
  gpu)
    models 'onnxruntime-gpu[cuda,cudnn]' 'tensorflow[and-cuda]'
    # TensorFlow finds the CUDA libraries of the wheels by itself, onnxruntime leaves it to the loader.
    printf '%s\n' /opt/faceblur/lib/python3.*/site-packages/nvidia/*/lib >/etc/ld.so.conf.d/nvidia-wheels.conf
    ldconfig
    ;;
  wheel) # from the source in the current folder to /wheel
    locked setuptools
    "$pip" wheel --no-deps --no-build-isolation --wheel-dir /wheel .
    ;;
  app)
    "$pip" install --no-deps --no-index /wheel/*.whl
    # What is left out on purpose: all models in `media`, and the builds that another package stands in for.
    if "$pip" check | grep -vE 'requires (onnx|onnxruntime|tensorflow), which is not installed|^No broken requirements'; then
      echo 'install.sh: the packages above do not fit together' >&2
      exit 1
    fi
    ;;
  *)
    echo 'usage: install.sh media|cpu|gpu|wheel|app' >&2
    exit 2
    ;;
esac
