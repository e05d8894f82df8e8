@echo off
rem Makes sure that the tracker runs under its watchdog: starts both in the background if need be, and says how they are.
setlocal
chcp 65001 >nul
set "python=python"
if exist "%~dp0..\.venv\Scripts\python.exe" set "python=%~dp0..\.venv\Scripts\python.exe"
"%python%" "%~dp0start_with_monitor.py" --ensure %*
set "code=%errorlevel%"
rem A double click opens a window for this file alone, which would close before anybody has read it. It waits a minute
rem for a key and not for ever, since the Task Scheduler calls it in the same way. No sign in the path is obeyed like this.
setlocal enabledelayedexpansion
set "called_by=!cmdcmdline!"
set called_by| find "ensure_continuity.bat" >nul
if not errorlevel 1 timeout /t 60
exit /b %code%
