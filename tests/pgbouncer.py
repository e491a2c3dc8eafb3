"""A real PgBouncer in transaction mode before a PostgreSQL server, a process of its own."""

import pwd
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from tests.servers import PostgresServer
