@echo off
rem Makes sure that the tracker runs under its watchdog: starts both in the background if need be, and says how they are.
setlocal
chcp 65001 >nul
set "python=python"
if exist "%~dp0..\.venv\Scripts\python.exe" set "python=%~dp0..\.venv\Scripts\python.exe"
"%python%" "%~dp0start_with_monitor.py" --ensure %*
