"""One rendered scene as other tools record it, each written by the format's own library where there is one."""

import json
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from fast_snow.synthetic.render import SyntheticScene
from tests.inputs.recording_files import save

START_S = 1_700_000_000
OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
"""Camera axes of OpenGL in those of OpenCV, and back."""


def millimetres(depth):
    return np.rint(depth * 1000).astype(np.uint16)


def bgr(image):
    return np.ascontiguousarray(image[:, :, ::-1])


def write_transforms(scene: SyntheticScene, folder: Path, **changes) -> Path:
    """As nerfstudio writes Record3D's and Polycam's captures: the centre of the first pixel is (0.5, 0.5)."""
    K = scene.intrinsics
    frames = []
    for k, pose in enumerate(scene.T_world_camera):
        save(folder / "images" / f"frame_{k + 1}.png", bgr(scene.image[k]))
        save(folder / "depth" / f"frame_{k + 1}.png", millimetres(scene.depth[k]))
        frames.append(
            {
                "file_path": f"./images/frame_{k + 1}.png",
                "depth_file_path": f"depth/frame_{k + 1}.png",
                "transform_matrix": (pose @ OPENGL).tolist(),
            }
        )
    height, width = scene.image.shape[1:3]
    document = {
        "w": width,
        "h": height,
        "fl_x": K[0, 0],
        "fl_y": K[1, 1],
        "cx": K[0, 2] + 0.5,
        "cy": K[1, 2] + 0.5,
        "camera_model": "OPENCV",
        "frames": frames[::-1],  # no order is promised
    } | changes
    (folder / "transforms.json").write_text(json.dumps(document))
    return folder


def write_colmap(scene: SyntheticScene, folder: Path, *, model="PINHOLE", text=False, extra=()) -> Path:
    import pycolmap

    K, (height, width) = scene.intrinsics, scene.image.shape[1:3]
    focal = [K[0, 0]] if model.startswith(("SIMPLE", "RADIAL")) else [K[0, 0], K[1, 1]]
    reconstruction = pycolmap.Reconstruction()
    camera = pycolmap.Camera(
        model=model, width=width, height=height, params=[*focal, K[0, 2] + 0.5, K[1, 2] + 0.5, *extra], camera_id=1
    )
    reconstruction.add_camera_with_trivial_rig(camera)
    for k, pose in enumerate(scene.T_world_camera):
        name = f"view{k + 1}.png"
        save(folder / "images" / name, bgr(scene.image[k]))
        image = pycolmap.Image(name=name, camera_id=1, image_id=k + 1)
        reconstruction.add_image_with_trivial_frame(image, pycolmap.Rigid3d(np.linalg.inv(pose)[:3]))
    target = folder / "sparse" / "0"
    target.mkdir(parents=True)
    (reconstruction.write_text if text else reconstruction.write_binary)(str(target))
    return folder


def write_scannet(scene: SyntheticScene, folder: Path) -> Path:
    """Colour in twice the size of depth, as ScanNet's is larger too."""
    for k, pose in enumerate(scene.T_world_camera):
        save(folder / "color" / f"{k}.png", bgr(scene.image[k]).repeat(2, 0).repeat(2, 1))
        save(folder / "depth" / f"{k}.png", millimetres(scene.depth[k]))
        save(folder / "instance-filt" / f"{k}.png", scene.ids[k].astype(np.uint8))
        (folder / "pose").mkdir(exist_ok=True)
        np.savetxt(folder / "pose" / f"{k}.txt", pose if k != 1 else np.full((4, 4), -np.inf))
    (folder / "intrinsic").mkdir()
    for name, scale in (("color", 2.0), ("depth", 1.0)):
        K = np.eye(4)
        K[:3, :3] = np.diag([scale, scale, 1]) @ scene.intrinsics
        np.savetxt(folder / "intrinsic" / f"intrinsic_{name}.txt", K)
    return folder


def write_scannetpp(scene: SyntheticScene, folder: Path) -> Path:
    phone = folder / "iphone"
    document = {}
    for k, pose in enumerate(scene.T_world_camera):
        save(phone / "rgb" / f"frame_{10 * k:06d}.png", bgr(scene.image[k]))
        save(phone / "depth" / f"frame_{10 * k:06d}.png", millimetres(scene.depth[k]))
        document[f"frame_{10 * k:06d}"] = {
            "timestamp": START_S + k / 10,
            "pose": np.eye(4).tolist(),
            "aligned_pose": pose.tolist(),
            "intrinsic": (np.diag([1 + k / 100, 1 + k / 100, 1]) @ scene.intrinsics).tolist(),
            "imu": {},
        }
    (phone / "pose_intrinsic_imu.json").write_text(json.dumps(document))
    return folder


def write_replica(scene: SyntheticScene, folder: Path) -> Path:
    room, K = folder / "room0", scene.intrinsics
    for k in range(len(scene)):
        save(room / "results" / f"frame{k:06d}.png", bgr(scene.image[k]))
        save(room / "results" / f"depth{k:06d}.png", np.rint(scene.depth[k] * 6553.5).astype(np.uint16))
    np.savetxt(room / "traj.txt", scene.T_world_camera.reshape(-1, 16))
    camera = {"w": 128, "h": 96, "fx": K[0, 0], "fy": K[1, 1], "cx": K[0, 2], "cy": K[1, 2], "scale": 6553.5}
    (folder / "cam_params.json").write_text(json.dumps({"camera": camera}))
    return room


def write_arkit_scenes(scene: SyntheticScene, folder: Path) -> Path:
    """Stamps in milliseconds; the trajectory holds world-to-camera poses of other stamps, near to them."""
    K, (height, width), lines = scene.intrinsics, scene.image.shape[1:3], []
    for k, pose in enumerate(scene.T_world_camera):
        name = f"40753679_{5000 + k / 10:.3f}"
        save(folder / "lowres_wide" / f"{name}.png", bgr(scene.image[k]))
        save(folder / "lowres_depth" / f"{name}.png", millimetres(scene.depth[k]))
        (folder / "lowres_wide_intrinsics").mkdir(exist_ok=True)
        numbers = (width, height, K[0, 0], K[1, 1], K[0, 2], K[1, 2])
        (folder / "lowres_wide_intrinsics" / f"{name}.pincam").write_text(" ".join(map(repr, map(float, numbers))))
        inverse = np.linalg.inv(pose)
        turn = Rotation.from_matrix(inverse[:3, :3]).as_rotvec()
        lines.append(" ".join(map(repr, map(float, (5000 + k / 10 + 0.004, *turn, *inverse[:3, 3])))))
    (folder / "lowres_wide.traj").write_text("\n".join(lines) + "\n")
    return folder


def write_lerobot(scene: SyntheticScene, folder: Path) -> Path:
    """Two episodes in one file, as v3 has it: the scene backwards, then the scene."""
    import av
    import pyarrow
    import pyarrow.parquet as parquet

    key, count = "observation.images.top", len(scene)
    video = folder / "videos" / key / "chunk-000" / "file-000.mp4"
    video.parent.mkdir(parents=True)
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "4", "threads": "1", "g": "4"})
        stream.height, stream.width = scene.image.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for image in [*scene.image[::-1], *scene.image]:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    (folder / "meta" / "episodes" / "chunk-000").mkdir(parents=True)
    table = {
        "episode_index": [0, 1],
        "length": [count, count],
        f"videos/{key}/chunk_index": [0, 0],
        f"videos/{key}/file_index": [0, 0],
        f"videos/{key}/from_timestamp": [0.0, count / 10],
        f"videos/{key}/to_timestamp": [count / 10, 2 * count / 10],
    }
    parquet.write_table(pyarrow.table(table), folder / "meta" / "episodes" / "chunk-000" / "file-000.parquet")
    info = {
        "codebase_version": "v3.0",
        "fps": 10,
        "total_episodes": 2,
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        "features": {"observation.state": {"dtype": "float32"}, key: {"dtype": "video", "shape": [96, 128, 3]}},
    }
    (folder / "meta" / "info.json").write_text(json.dumps(info))
    return folder


def write_bag(scene: SyntheticScene, path: Path, kind: str, *, poses: str = "tf", padding: int = 0) -> Path:
    """A bag as a RealSense on a robot gives it: images, aligned depth, calibration and poses at 10 Hz.

    Args:
        scene: what was rendered.
        path: of the bag to write.
        kind: `bag` (ROS 1), `sqlite3` or `mcap` (ROS 2).
        poses: `tf`: map → odom → base → camera, of which the second moves; `odometry`: the same by nav_msgs; `pose`:
            of the camera, by geometry_msgs; `none`.
        padding: bytes that fill up each row of an image.
    """
    with _Bag(path, kind) as bag:
        T_base_camera, T_map_odom = mounting()
        begin = START_S * 10**9
        if poses in ("tf", "odometry"):
            edges = [
                bag.edge(begin, "map", "odom", T_map_odom),
                bag.edge(begin, "base", "camera_optical", T_base_camera),
            ]
            bag.write("/tf_static", begin, "tf2_msgs/msg/TFMessage", transforms=edges)
        for k in range(len(scene)):
            stamp = begin + k * 10**8
            bag.image("/cam/color/image_raw", stamp, scene.image[k], "rgb8", padding)
            # Measured 2 ms later.
            bag.image("/cam/aligned_depth/image_raw", stamp + 2_000_000, millimetres(scene.depth[k]), "16UC1", padding)
            bag.camera_info("/cam/color/camera_info", stamp, scene)
            T_odom_base = np.linalg.inv(T_map_odom) @ scene.T_world_camera[k] @ np.linalg.inv(T_base_camera)
            if poses == "tf":
                edges = [bag.edge(stamp, "odom", "base", T_odom_base)]
                bag.write("/tf", stamp, "tf2_msgs/msg/TFMessage", transforms=edges)
            elif poses == "odometry":
                bag.odometry("/odom", stamp, "odom", "base", T_odom_base)
            elif poses == "pose":
                pose, header = bag.pose(scene.T_world_camera[k]), bag.header(stamp, "map")
                bag.write("/pose", stamp, "geometry_msgs/msg/PoseStamped", header=header, pose=pose)
    return path


class _Bag:
    """Writes messages by rosbags; they are recorded 3 ms later than they were measured."""

    def __init__(self, path, kind):
        from rosbags.rosbag1 import Writer as Writer1
        from rosbags.rosbag2 import StoragePlugin
        from rosbags.rosbag2 import Writer as Writer2
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore

        self._first = kind == "bag"
        self._store = get_typestore(Stores.ROS1_NOETIC if self._first else Stores.ROS2_HUMBLE)
        if self._first:
            definition = "geometry_msgs/TransformStamped[] transforms"
            self._store.register(get_types_from_msg(definition, "tf2_msgs/msg/TFMessage"))
            self._writer = Writer1(path)
        else:
            self._writer = Writer2(path, version=9, storage_plugin=getattr(StoragePlugin, kind.upper()))
        self._connections = {}

    def __enter__(self):
        self._writer.open()
        return self

    def __exit__(self, *_):
        self._writer.close()

    def make(self, kind, **fields):
        return self._store.types[kind](**fields)

    def write(self, topic, stamp_ns, kind, **fields):
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(topic, kind, typestore=self._store)
        serialize = self._store.serialize_ros1 if self._first else self._store.serialize_cdr
        message = serialize(self.make(kind, **fields), kind)
        self._writer.write(self._connections[topic], stamp_ns + 3_000_000, message)

    def header(self, stamp_ns, frame):
        stamp = self.make("builtin_interfaces/msg/Time", sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
        more = {"seq": 0} if self._first else {}
        return self.make("std_msgs/msg/Header", stamp=stamp, frame_id=frame, **more)

    def image(self, topic, stamp_ns, array, encoding, padding):
        rows = np.ascontiguousarray(array).reshape(len(array), -1).view(np.uint8)
        rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=7)
        self.write(
            topic,
            stamp_ns,
            "sensor_msgs/msg/Image",
            header=self.header(stamp_ns, "camera_optical"),
            height=array.shape[0],
            width=array.shape[1],
            encoding=encoding,
            is_bigendian=0,
            step=rows.shape[1],
            data=rows.reshape(-1),
        )

    def camera_info(self, topic, stamp_ns, scene):
        region = {"x_offset": 0, "y_offset": 0, "height": 0, "width": 0, "do_rectify": False}
        matrices = {"k": scene.intrinsics, "d": np.zeros(5), "r": np.eye(3), "p": np.eye(3, 4)}
        self.write(
            topic,
            stamp_ns,
            "sensor_msgs/msg/CameraInfo",
            header=self.header(stamp_ns, "camera_optical"),
            height=scene.image.shape[1],
            width=scene.image.shape[2],
            distortion_model="plumb_bob",
            binning_x=0,
            binning_y=0,
            roi=self.make("sensor_msgs/msg/RegionOfInterest", **region),
            **{name.upper() if self._first else name: value.reshape(-1) for name, value in matrices.items()},
        )

    def edge(self, stamp_ns, parent, child, T):
        shift, turn = self._numbers(T, "geometry_msgs/msg/Vector3")
        transform = self.make("geometry_msgs/msg/Transform", translation=shift, rotation=turn)
        header = self.header(stamp_ns, parent)
        return self.make("geometry_msgs/msg/TransformStamped", header=header, child_frame_id=child, transform=transform)

    def pose(self, T):
        position, orientation = self._numbers(T, "geometry_msgs/msg/Point")
        return self.make("geometry_msgs/msg/Pose", position=position, orientation=orientation)

    def odometry(self, topic, stamp_ns, parent, child, T):
        zero, unknown = self.make("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=0.0), np.zeros(36)
        twist = self.make("geometry_msgs/msg/Twist", linear=zero, angular=zero)
        self.write(
            topic,
            stamp_ns,
            "nav_msgs/msg/Odometry",
            header=self.header(stamp_ns, parent),
            child_frame_id=child,
            pose=self.make("geometry_msgs/msg/PoseWithCovariance", pose=self.pose(T), covariance=unknown),
            twist=self.make("geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=unknown),
        )

    def _numbers(self, T, vector):
        x, y, z = map(float, T[:3, 3])
        turn = dict(zip("xyzw", map(float, Rotation.from_matrix(T[:3, :3]).as_quat()), strict=True))
        return self.make(vector, x=x, y=y, z=z), self.make("geometry_msgs/msg/Quaternion", **turn)


def mounting():
    """Where the camera sits on the robot's base, and where odometry began in the map."""
    T_base_camera, T_map_odom = np.eye(4), np.eye(4)
    T_base_camera[:3, :3] = Rotation.from_euler("xyz", [-90, 0, -90], degrees=True).as_matrix()
    T_base_camera[:3, 3] = (0.2, 0.05, 0.4)
    T_map_odom[:3, :3] = Rotation.from_euler("z", 30, degrees=True).as_matrix()
    T_map_odom[:3, 3] = (1.0, -2.0, 0.0)
    return T_base_camera, T_map_odom
